"""Further tables of a report. A new one is a small file that makes a `Part`, and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.leaderboard.extra_tables import oracle, stress, weights
from bench.leaderboard.extra_tables.extra_table import Part
from bench.leaderboard.results import Section, Table

__all__ = ["Part", "section_parts", "table_parts"]

SECTION_PARTS: tuple[Callable[[Section], Part | None], ...] = (oracle.part, weights.part)  # None: nothing to show
TABLE_PARTS: tuple[Callable[[Table], Iterator[Part]], ...] = (stress.parts,)


def section_parts(section: Section) -> list[Part]:
    """The tables below a section's own."""
    return [part for make in SECTION_PARTS if (part := make(section)) is not None]


def table_parts(table: Table) -> list[Part]:
    """The tables before all sections."""
    return [part for make in TABLE_PARTS for part in make(table)]
