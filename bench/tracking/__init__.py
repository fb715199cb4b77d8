"""Sends finished cells and reports to W&B, TensorBoard or MLflow."""
