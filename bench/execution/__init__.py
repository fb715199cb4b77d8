"""Runs the jobs of a plan: queue, worker processes or torchrun, progress."""
