"""`leaderboard.md`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.leaderboard.columns import COLUMNS, OVERALL, Column, Room, shown
from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.extra_tables import ExtraTable, report_tables, section_tables
from bench.leaderboard.figures import FOLDER, Drawn
from bench.leaderboard.formats.prose import (
    T,
    across,
    beyond,
    checker,
    conditions,
    escape,
    footer,
    heading,
    limits,
    missing,
    notes,
    reading,
    tuned,
    without_result,
)
from bench.leaderboard.results import Section, Table


def as_markdown(table: Table, figures: Sequence[Drawn] = ()) -> str:
    """The whole report with links to its figures; for the same cells always the same text."""
    blocks = ["# Leaderboard", *missing(table)]
    for group in overall(table.sections):
        blocks += ["## Across tasks", across(group), grid(OVERALL, group.rows), *beyond(group)]
    blocks += [*extra_blocks(report_tables(table), "##"), *images(figures, None)]
    for place, section in enumerate(table.sections):
        blocks += [
            *section_blocks(section),
            *images(figures, place),
            *extra_blocks(section_tables(section)),
            limits(section),
        ]
    blocks += ["## How to read it", reading(table), "## Provenance", *footer(table)]
    return "\n\n".join(blocks) + "\n"


def section_blocks(section: Section) -> list[str]:
    """Heading, conditions, warnings, table and what is missing from it."""
    before = [f"## {heading(section)}", conditions(section), *notes(section)]
    table = grid(shown(COLUMNS, section.rows, Room.TEXT), section.rows)
    return [*before, table, *checker(section), *without_result(section), *tuned(section)]


def images(figures: Sequence[Drawn], section: int | None) -> Iterator[str]:
    """Links to the figures of a section, or of the whole table."""
    for figure in figures:
        if figure.section == section:
            yield f"![{escape(figure.caption)}]({FOLDER}/{figure.name}.png)"


def grid(columns: Sequence[Column[T]], rows: Sequence[T]) -> str:
    """Rows as a Markdown table."""
    lines = [[escape(column.title) for column in columns]]
    lines.append(["---:" if column.numeric else "---" for column in columns])
    lines += [[escape(column.render(row)) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def extra_blocks(tables: Sequence[ExtraTable], level: str = "###") -> Iterator[str]:
    """Extra tables, each under a title of its own."""
    for table in tables:
        yield from (f"{level} {escape(table.title)}", *table.before, grid(table.columns, table.rows), *table.after)
