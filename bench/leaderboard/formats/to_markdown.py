"""`leaderboard.md`: the report for people, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from bench.leaderboard.columns import Column, Room, further, main_columns, overall_columns, section_columns
from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.extra_tables import ExtraTable, report_tables, tables_by_section
from bench.leaderboard.figures import FOLDER, FigureFiles
from bench.leaderboard.formats.across import across, after_across
from bench.leaderboard.formats.answer import answer
from bench.leaderboard.formats.doubts import doubts
from bench.leaderboard.formats.explain import reading
from bench.leaderboard.formats.prose import (
    NUMBERS,
    checker,
    conditions,
    escape,
    footer,
    heading,
    limits,
    markdown_row,
    notes,
    opening,
    tuned,
    without_result,
)
from bench.leaderboard.results import Report, Section

T = TypeVar("T")


def as_markdown(report: Report, figures: Sequence[FigureFiles] = ()) -> str:
    """The whole report with links to its figures; the same text for the same cells."""
    blocks = ["# Leaderboard", *opening(report)]
    for group in overall(report.sections):
        blocks += ["## Across tasks", across(group), grid(overall_columns(group), group.rows), *after_across(group)]
    blocks += [*extra_blocks(report_tables(report), "##"), *images(figures, None)]
    extra = tables_by_section(report)
    for place, section in enumerate(report.sections):
        blocks += [*section_blocks(section), *images(figures, place)]
        blocks += [*extra_blocks(extra[place]), limits(section)]
    blocks += ["## How to read it", reading(report), "## Provenance", *footer(report)]
    return "\n\n".join(blocks) + "\n"


def section_blocks(section: Section) -> list[str]:
    """Heading, answer, the short table of methods, warnings, conditions, all numbers, and cells without a result."""
    first = [f"## {heading(section)}", *answer(section), grid(main_columns(section), section.rows)]
    second = grid(further(section_columns(section, Room.TEXT)), section.rows)
    return [
        *first,
        *notes(section),
        conditions(section),
        f"### {NUMBERS}",
        second,
        *checker(section),
        *doubts(section),
        *without_result(section),
        *tuned(section),
    ]


def extra_blocks(tables: Sequence[ExtraTable], level: str = "###") -> Iterator[str]:
    """Extra tables, each under a title of its own."""
    for table in tables:
        yield from (f"{level} {escape(table.title)}", *table.before, grid(table.columns, table.rows), *table.after)


def images(figures: Sequence[FigureFiles], section: int | None) -> Iterator[str]:
    """Links to the figures of a section, by its place; None: of the whole report."""
    for figure in figures:
        if figure.section == section:
            yield f"![{escape(figure.alt)}]({FOLDER}/{figure.name}.png)"
            yield f"*{escape(figure.caption)}.*"


def grid(columns: Sequence[Column[T]], rows: Sequence[T]) -> str:
    """Rows as a Markdown table."""
    lines = [[escape(column.title) for column in columns]]
    lines.append(["---:" if column.numeric else "---" for column in columns])
    lines += [[escape(column.render(row)) for column in columns] for row in rows]
    return "\n".join(markdown_row(line) for line in lines)
