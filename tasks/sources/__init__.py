"""Where rows come from: files, folders, the Hugging Face hub, the course layout."""
