"""Metrics from stored logits, and what differences between two methods are worth."""
