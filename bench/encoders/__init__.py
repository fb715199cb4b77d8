"""Pretrained encoders: finding, checking and loading them, and speed-ups that do not change their results."""
