"""The request of a run: arguments, methods, tasks, settings and protocols, checked before anything is read."""
