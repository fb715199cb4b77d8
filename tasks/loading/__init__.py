"""Turns the tables of a source into checked, split rows."""
