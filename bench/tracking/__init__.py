"""Finished cells sent to W&B or TensorBoard."""
