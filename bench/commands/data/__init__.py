"""Commands on data before a run."""
