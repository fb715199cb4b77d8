"""The request of a run: arguments, methods, tasks, settings and protocols, checked before any data are read."""
