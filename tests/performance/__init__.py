"""Measures `bench run` against plain `Trainer` runs: `python -m tests.performance --help`, docs/speed.md."""
