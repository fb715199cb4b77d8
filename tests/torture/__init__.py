"""Attacks on the store: its processes are killed and stopped, and its disk fails; `python -m tests.torture`."""
