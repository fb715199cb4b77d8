"""Mistakes put into the code of methods and statistics: do the tests notice them? `python -m tests.mutation`."""
