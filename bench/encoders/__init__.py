"""Pretrained encoders: found, checked, loaded, and made faster without changing what they compute."""
