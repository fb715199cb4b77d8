"""What is computed once and shared by cells: tokens, frozen states, embeddings, checker scores."""
