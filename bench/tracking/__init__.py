"""Sends finished cells to W&B or TensorBoard."""
