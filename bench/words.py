"""Counts in words, for everything that is printed."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 cell`, `2 cells`, `1,000 cells`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
