"""`leaderboard.html`: the report as one file that loads nothing else, with tables that sort and filter.

Its sentences are those of the Markdown report, turned into HTML by `inline`; the template escapes everything else.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.leaderboard.columns import NOTHING, Column, further, main_columns, overall_columns, section_columns
from bench.leaderboard.compare.across_tasks import Overall, overall
from bench.leaderboard.extra_tables import ExtraTable, report_tables, section_tables
from bench.leaderboard.figures import FigureFiles
from bench.leaderboard.formats.answer import answer
from bench.leaderboard.formats.doubts import doubts
from bench.leaderboard.formats.explain import reading
from bench.leaderboard.formats.prose import (
    NUMBERS,
    across,
    after_across,
    checker,
    conditions,
    footer,
    heading,
    limits,
    notes,
    opening,
    tuned,
    without_result,
)
from bench.leaderboard.results import Report, Row, Section
from bench.stats.crossed import Comparison
from bench.stats.verdict import with_interval

if TYPE_CHECKING:
    from markupsafe import Markup

T = TypeVar("T")
TEMPLATE = Path(__file__).with_name("leaderboard.html.j2")
MARKS = re.compile(r"\\(&[a-z0-9#]+;|.)|\*\*((?:\\.|[^\\])+?)\*\*|\*((?:\\.|[^*\\])+?)\*|`(.+?)`")
TAGS = {2: "strong", 3: "em", 4: "code"}


def as_html(report: Report, figures: Sequence[FigureFiles] = ()) -> str:
    """The whole report; the same text for the same cells."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        opening=blocks(opening(report)),
        overall=[overall_value(group) for group in overall(report.sections)],
        extra_tables=[extra_value(extra) for extra in report_tables(report)],
        figures=[image(figure) for figure in figures if figure.section is None],
        sections=[section_value(section, place, figures) for place, section in enumerate(report.sections)],
        numbers=NUMBERS,
        verdicts=sorted({word(row) for section in report.sections for row in section.rows} - {""}),
        reading=blocks([reading(report)]),
        footer=blocks(list(footer(report))[:-2]),
        command=" ".join(str(report.manifest["command"]).split()),
    )


def overall_value(group: Overall) -> dict[str, Any]:
    """A summary across tasks, for the template."""
    columns = overall_columns(group)
    return {
        "before": blocks([across(group)]),
        "columns": columns,
        "rows": [{"label": row.label, "word": "", "cells": cells(columns, row), "details": []} for row in group.rows],
        "after": blocks(after_across(group)),
    }


def extra_value(table: ExtraTable) -> dict[str, Any]:
    """An extra table, for the template."""
    return {
        "title": table.title,
        "before": blocks(table.before),
        "columns": table.columns,
        "rows": [
            {"label": row.label, "word": "", "cells": cells(table.columns, row), "details": []} for row in table.rows
        ],
        "after": blocks(table.after),
    }


def cells(columns: Sequence[Column[T]], row: T) -> list[tuple[Column[T], str, str]]:
    """A row's cells: the column, its text, and the value to sort by."""
    return [(column, text := column.render(row), sort_value(column, text)) for column in columns]


def section_value(section: Section, place: int, figures: Sequence[FigureFiles]) -> dict[str, Any]:
    """A section, for the template."""
    main, second = main_columns(section), further(section_columns(section))
    return {
        "heading": inline(heading(section)),
        "answer": blocks(answer(section)),
        "informative": not section.uninformative,
        "columns": main,
        "rows": [row_value(row, main, in_detail=False) for row in section.rows],
        "notes": blocks([*notes(section), conditions(section)]),
        "further_columns": second,
        "further_rows": [row_value(row, second, in_detail=True) for row in section.rows],
        "after": blocks([*checker(section), *doubts(section), *without_result(section), *tuned(section)]),
        "figures": [image(figure) for figure in figures if figure.section == place],
        "extra_tables": [extra_value(extra) for extra in section_tables(section)],
        "limits": blocks([limits(section)]),
    }


def row_value(row: Row, columns: Sequence[Column[Row]], *, in_detail: bool) -> dict[str, Any]:
    """A method's row, for the template: cells, verdict and, where wanted, the details of its comparison."""
    result = row.paired.accuracy if row.paired else None
    return {
        "label": row.label,
        "word": word(row),
        "cells": cells(columns, row),
        "details": list(details(row, result)) if result and in_detail else [],
    }


def word(row: Row) -> str:
    """The verdict to filter and colour by."""
    return row.paired.verdict.word if row.paired else ""


def sort_value(column: Column[Any], text: str) -> str:
    """The first number of a numeric cell, empty where there is none; text in small letters."""
    if not column.numeric:
        return "" if text == NOTHING else text.casefold()
    number = re.search(r"[+-]?\d+(\.\d+)?", text)
    if number is None:
        return ""
    return str(float(number[0]) / 2) if text.startswith("<") else number[0]


def details(row: Row, result: Comparison) -> Iterable[tuple[str, str]]:
    """Names and values of everything that the verdict rests on."""
    allowed = row.paired is not None and not row.paired.withheld
    values: list[tuple[str, float, str]] = [
        ("difference (points)", 100 * result.difference, "+.3f"),
        ("standard error (points)", 100 * result.se, ".3f"),
        ("degrees of freedom", result.df, ".1f"),
        ("p, not corrected", result.p if allowed else math.nan, ".3g"),
        ("p, corrected", row.paired.p_corrected if row.paired else math.nan, ".3g"),
        ("p of equivalence", row.paired.p_equivalent if row.paired else math.nan, ".3g"),
        ("p, step-down max-T (for information)", row.paired.p_max_t if row.paired else math.nan, ".3g"),
        ("effect size (in sd with one more seed)", result.effect, "+.2f"),
        *((f"variance, {name}", value, ".3g") for name, value in result.components.items()),
    ]
    yield "95 % interval, this comparison alone (points)", f"{100 * result.low:+.2f} to {100 * result.high:+.2f}"
    yield "seeds × test rows", f"{result.seeds} × {result.examples:,}"
    for name, value, form in values:
        yield name, NOTHING if math.isnan(value) else format(value, form)
    if row.paired and (detectable := row.paired.verdict.detectable):
        yield "detectable at 80 % power, corrected", with_interval(detectable)
    more = row.paired.needed if row.paired else None
    for name, count in (("seeds", more.seeds), ("test rows", more.examples)) if more else ():
        if count:
            yield f"{name} in total that would settle it with 80 % power", count.text
    if result.conditional:
        yield "holds for", "these trained models only (one seed)"


def image(figure: FigureFiles) -> dict[str, str]:
    """A figure as an embedded image, so that ids and styles of its SVG do not clash with the page's."""
    return {"caption": figure.caption, "alt": figure.alt, "data": base64.b64encode(figure.svg).decode()}


def inline(text: str) -> Markup:
    """One paragraph of the report's Markdown as HTML: escapes, bold, italic, code, and nothing else."""
    from markupsafe import Markup, escape

    def mark(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        tag = TAGS[match.lastindex or 2]
        return f"<{tag}>{MARKS.sub(mark, match[match.lastindex or 2])}</{tag}>"

    return Markup(MARKS.sub(mark, str(escape(text))))  # safe: the text was escaped before its markup was added


def blocks(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Markdown paragraphs and lists, for the template."""
    values = []
    for text in texts:
        lines = text.splitlines()
        items = lines if lines and all(line.startswith("- ") for line in lines) else []
        values.append({"items": [inline(item[2:]) for item in items], "text": inline(text)})
    return values
