"""Sends cells and reports to trackers: W&B, TensorBoard, MLflow, Trackio, Comet and others."""
