"""Training one cell: its inputs, the loop and its outputs."""
