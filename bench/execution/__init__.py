"""Runs the jobs of a plan: queue, engines, progress."""
