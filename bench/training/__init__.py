"""Training one cell: inputs, the loop, and what it writes."""
