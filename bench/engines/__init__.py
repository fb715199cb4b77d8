"""Engines run jobs."""
