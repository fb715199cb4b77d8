"""From a request to jobs with their dependencies. Nothing is trained or written; no torch."""
