"""Faults of clusters on real runs, see `tests.faults.__main__`."""
