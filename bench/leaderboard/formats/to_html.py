"""`leaderboard.html`: the report as one file that loads nothing else, with tables that sort and filter.

Its sentences are those of the Markdown report, turned into HTML by `inline`; the template escapes everything else.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.leaderboard.columns import NOTHING, Column, further, main_columns, overall_columns, section_columns
from bench.leaderboard.compare.across_tasks import Overall, overall
from bench.leaderboard.compare.families import TAIL
from bench.leaderboard.extra_tables import ExtraTable, report_tables, tables_by_section
from bench.leaderboard.figures import FigureFiles, slugs
from bench.leaderboard.formats.across import across, after_across
from bench.leaderboard.formats.answer import answer
from bench.leaderboard.formats.doubts import doubts
from bench.leaderboard.formats.explain import reading
from bench.leaderboard.formats.html_text import blocks, inline, sort_value
from bench.leaderboard.formats.method_parts import anchors, method_names, method_of, method_parts, tags
from bench.leaderboard.formats.prose import (
    NUMBERS,
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
from bench.leaderboard.results import Match, Report, Row, Section
from bench.stats.crossed import Comparison, interval
from bench.stats.verdict import with_interval
from tasks.errors import plural

T = TypeVar("T")
FOLDER = Path(__file__).parent
# The figures of a section in the words of a link, by their key in `bench.leaderboard.figures.FIGURES`.
SHORT = {
    "gains": "differences",
    "seeds": "accuracy by seed",
    "pairs": "all pairs",
    "curves": "training",
    "weights": "weights",
    "agreement": "agreement",
}


def as_html(report: Report, figures: Sequence[FigureFiles] = ()) -> str:
    """The whole report; the same text for the same cells. The page names the digest of its script: no other runs."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((FOLDER / "leaderboard.html.j2").read_text(encoding="utf-8"))
    script = (FOLDER / "leaderboard.js").read_text(encoding="utf-8")
    extra = tables_by_section(report)
    places = anchors(slugs(section.spec for section in report.sections), "section")
    ids = anchors(method_names(report.sections), "method")
    groups = overall(report.sections)
    return template.render(
        style=Markup((FOLDER / "leaderboard.css").read_text(encoding="utf-8")),  # safe: a file of this package
        script=Markup(script),  # safe: likewise
        digest=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        opening=blocks(opening(report)),
        overall=[overall_value(group) for group in groups],
        extra_tables=[extra_value(table) for table in report_tables(report)],
        figures=[image(figure) for figure in figures if figure.section is None],
        sections=[
            {**section_value(section, place, figures, extra[place]), "id": anchor}
            for place, (section, anchor) in enumerate(zip(report.sections, places.values(), strict=True))
        ],
        methods=[{**part, "id": ids[part["name"]]} for part in method_parts(report.sections, extra)],
        parts={row.label: ids[method_of(row)] for section in report.sections for row in section.rows},
        **filters(report, places, groups),
        numbers=NUMBERS,
        reading=blocks([reading(report)]),
        footer=blocks(list(footer(report))[:-2]),
        command=" ".join(str(report.manifest["command"]).split()),
    )


def filters(report: Report, places: Mapping[str, str], groups: Sequence[Overall]) -> dict[str, Any]:
    """What the page filters by: the tags of each label, and the values that each choice offers."""
    known = tags(report.sections)
    words = {row.word for section in report.sections for row in section.rows}
    words |= {row.word for group in groups for row in group.rows}
    families = {tag["family"] for tag in known.values()}
    uses = {use for tag in known.values() for use in tag["real"].split("|")} - {""}
    titles = [plain_heading(section) for section in report.sections]
    return {
        "tags": known,
        "verdicts": [(value, value) for value in sorted(words - {""})],
        "families": [(value, value) for value in sorted(families)],
        "uses": [(value, value) for value in sorted(uses)],
        "places": list(zip(places.values(), titles, strict=True)),
    }


def plain_heading(section: Section) -> str:
    """The heading of a section without markup."""
    return str(inline(heading(section)).striptags())


def overall_value(group: Overall) -> dict[str, Any]:
    """A summary across tasks, for the template."""
    columns = overall_columns(group)
    return {
        "before": blocks([across(group)]),
        "columns": columns,
        "rows": [
            {"label": row.label, "word": row.word, "cells": cells(columns, row), "details": []} for row in group.rows
        ],
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


def section_value(
    section: Section, place: int, figures: Sequence[FigureFiles], extra: Sequence[ExtraTable]
) -> dict[str, Any]:
    """A section with its extra tables, for the template."""
    main, second = main_columns(section), further(section_columns(section))
    return {
        "heading": inline(heading(section)),
        "plain": plain_heading(section),
        "answer": blocks(answer(section)),
        "informative": not section.uninformative,
        "columns": main,
        "rows": [row_value(row, main, in_detail=False) for row in section.rows],
        "notes": blocks([*notes(section), conditions(section)]),
        "further_columns": second,
        "further_rows": [row_value(row, second, in_detail=True) for row in section.rows],
        "after": blocks([*checker(section), *doubts(section), *without_result(section), *tuned(section)]),
        "figures": [image(figure) for figure in figures if figure.section == place],
        "extra_tables": [extra_value(table) for table in extra],
        "limits": blocks([limits(section)]),
    }


def row_value(row: Row, columns: Sequence[Column[Row]], *, in_detail: bool) -> dict[str, Any]:
    """A method's row, for the template: cells, verdict and, where wanted, the details of its comparison."""
    result = row.paired.accuracy if row.paired else None
    return {
        "label": row.label,
        "word": row.word,
        "cells": cells(columns, row),
        "details": list(details(row, result)) if result and in_detail else [],
    }


def details(row: Row, result: Comparison) -> Iterable[tuple[str, str]]:
    """Names and values of everything that the verdict rests on."""
    allowed = row.paired is not None and not row.paired.withheld
    values: list[tuple[str, float, str]] = [
        ("difference (points)", 100 * result.difference, "+.3f"),
        ("standard error (points)", 100 * result.se, ".3f"),
        ("degrees of freedom", result.df, ".1f"),
        ("p, not corrected", row.paired.p_alone if row.paired and allowed else math.nan, ".3g"),
        ("p, corrected", row.paired.p_corrected if row.paired else math.nan, ".3g"),
        ("p of equivalence", row.paired.p_equivalent if row.paired else math.nan, ".3g"),
        ("p, step-down max-T (for information)", row.paired.p_max_t if row.paired else math.nan, ".3g"),
        ("effect size (in sd with one more seed)", result.effect, "+.2f"),
        *((f"variance, {name}", value, ".3g") for name, value in result.components.items()),
    ]
    match = row.paired.match if row.paired else None
    low, high = interval(result, TAIL * match.share) if match and match.looks else (result.low, result.high)
    over = ", over all planned looks" if match and match.looks else ""
    yield f"95 % interval, this comparison alone{over} (points)", f"{100 * low:+.2f} to {100 * high:+.2f}"
    yield "seeds", f"{result.seeds}"
    yield "test rows", counted(match, result)
    for name, value, form in values:
        yield name, NOTHING if math.isnan(value) else format(value, form)
    if row.paired and (detectable := row.paired.verdict.detectable):
        yield "detectable at 80 % power, corrected", with_interval(detectable)
    more = row.paired.needed if row.paired else None
    for name, count in (("seeds", more.seeds), (f"{more.unit}s", more.examples)) if more else ():
        if count:
            yield f"{name} in total that would settle it with 80 % power, if all is as estimated", count.text
    if result.conditional:
        yield "holds for", "these trained models only (one seed)"


def counted(match: Match | None, result: Comparison) -> str:
    """`320 in 80 clusters`: the test rows of a comparison, and what stands for them; the tested rows of all folds."""
    if match is None or match.rows == result.examples:
        return f"{result.examples:,}"
    if match.folds:
        return f"{match.tested:,} of {plural(match.rows, 'real row')}, a fold per seed"
    return f"{match.rows:,} in {plural(result.examples, 'cluster')}"


def image(figure: FigureFiles) -> dict[str, str]:
    """A figure as an embedded image, so that ids and styles of its SVG do not clash with the page's."""
    short = next((words for key, words in SHORT.items() if figure.name.endswith(f"-{key}")), figure.name)
    data = base64.b64encode(figure.svg).decode()
    return {"name": figure.name, "short": short, "caption": figure.caption, "alt": figure.alt, "data": data}
