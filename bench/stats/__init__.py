"""Metrics of logits, and inference on the difference between two methods."""
