"""Turns a request into jobs with dependencies. Nothing is trained or written; no torch."""
