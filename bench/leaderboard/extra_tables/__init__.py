"""Extra tables of a report, beside the leaderboard itself.

A new one is a small file that makes an `ExtraTable`, and one entry here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

from bench.leaderboard.extra_tables import oracle, stress, weights
from bench.leaderboard.extra_tables.extra_table import ExtraTable
from bench.leaderboard.results import Report, Section

__all__ = ["ExtraTable", "report_tables", "section_tables", "tables_by_section"]

SECTION_TABLES: tuple[Callable[[Section], ExtraTable | None], ...] = (oracle.oracle_table, weights.weight_table)
REPORT_TABLES: tuple[Callable[[Report], Iterator[ExtraTable]], ...] = (stress.stress_tables,)


def section_tables(section: Section) -> list[ExtraTable]:
    """The extra tables of one section, shown below its leaderboard; those without content are left out."""
    return [table for make in SECTION_TABLES if (table := make(section)) is not None]


@functools.lru_cache(maxsize=1)  # three formats show them, and files of all cells are looked at for them
def tables_by_section(report: Report) -> tuple[list[ExtraTable], ...]:
    """`section_tables` of each section of a report."""
    return tuple(map(section_tables, report.sections))


def report_tables(report: Report) -> list[ExtraTable]:
    """The extra tables of the whole report, shown before its sections."""
    return [extra for make in REPORT_TABLES for extra in make(report)]
