"""The store: a folder per cell, its state and lease, and the record of the grids that were run."""
