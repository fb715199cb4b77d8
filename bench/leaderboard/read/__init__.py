"""From finished cells to numbers."""
