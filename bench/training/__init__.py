"""The training of one cell: its inputs, the loop and its outputs."""
