"""Counts in words."""

from __future__ import annotations

from bench.words import plural


def test_one_is_singular_and_all_else_plural() -> None:
    assert [plural(count, "cell") for count in (0, 1, 2, 1000)] == ["0 cells", "1 cell", "2 cells", "1,000 cells"]
