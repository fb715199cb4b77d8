"""Simulated grids that differ from the model which the inference assumes, to measure its error rates."""
