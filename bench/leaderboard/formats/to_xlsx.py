"""`leaderboard.xlsx`: the report as a workbook: the methods, the summary over tasks, and what it was made of.

Texts are written as texts: a name that begins with `=` is no formula. No dates, so the same cells give the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.leaderboard.formats.to_json import as_json, flat_row
from bench.leaderboard.results import Report
from tasks.errors import printable

if TYPE_CHECKING:
    from xlsxwriter import Workbook

EPOCH = datetime(1980, 1, 1)
WIDEST = 40  # characters of a column
LONGEST = 32_767  # characters that a cell may hold


def as_xlsx(report: Report) -> bytes:
    """The workbook: sheets `methods` (the rows of `leaderboard.csv`), `across tasks` and `about`."""
    from xlsxwriter import Workbook

    value = as_json(report)
    across = [
        {"tasks": ", ".join(group["tasks"]), **flat_row(row)} for group in value["overall"] for row in group["rows"]
    ]
    about = {key: value[key] for key in ("command", "baseline", "delta", "correction", "family", "intervals")}
    about |= {f"provenance {key}": entry for key, entry in value["provenance"].items()}
    about |= {
        f"{place}. {section['task_ref']}, {section['source']}: {key}": section[key]
        for place, section in enumerate(value["sections"], start=1)
        for key in ("title", "stand_in", "encoder", "preset", "protocol", "sizes", "seeds", "notes")
        if key in section
    }
    content = io.BytesIO()
    book = Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": EPOCH, "title": "Leaderboard"})
    sheet(book, "methods", [flat_row(row) for row in value["rows"]])
    sheet(book, "across tasks", across)
    sheet(book, "about", [{"what": name, "value": entry} for name, entry in about.items()])
    book.close()
    return content.getvalue()


def sheet(book: Workbook, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A sheet with a head that stays in view and filters; numbers are numbers, null is an empty cell."""
    page = book.add_worksheet(name)
    names = list(dict.fromkeys(key for row in rows for key in row))
    bold = book.add_format({"bold": True})
    for column, key in enumerate(names):
        page.write_string(0, column, printable(key), bold)
        width = max([len(key), *(len(text(row.get(key))) for row in rows)])
        page.set_column(column, column, min(width, WIDEST) + 2)
        for line, row in enumerate(rows, 1):
            entry = row.get(key)
            if isinstance(entry, bool):
                page.write_boolean(line, column, entry)
            elif isinstance(entry, int | float):
                page.write_number(line, column, entry)
            elif entry is not None:
                page.write_string(line, column, text(entry)[:LONGEST])
    page.freeze_panes(1, 0)
    if names and rows:
        page.autofilter(0, 0, len(rows), len(names) - 1)


def text(entry: Any) -> str:
    """A value as the text of a cell: objects and lists as JSON, control characters as escapes."""
    return printable(json.dumps(entry, ensure_ascii=False) if isinstance(entry, dict | list) else str(entry))
