"""Malformed inputs for everything that reads a file or an expression: each is read, or refused in one line."""
