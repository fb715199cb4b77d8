"""The store: a folder per cell, its state and lease, and the manifests of all grids."""
