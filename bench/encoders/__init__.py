"""Pretrained encoders: how they are found, checked, loaded, and run faster with the same results."""
