"""From what was read to checked, split rows."""
