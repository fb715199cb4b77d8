"""What a run asks for: names looked up, values typed and checked, before anything is read or trained."""
