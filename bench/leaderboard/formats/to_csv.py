"""`leaderboard.csv`: the rows of `leaderboard.json`, flat. Null is an empty cell; objects and lists are JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from bench.leaderboard.formats.to_json import as_json, flat_row
from bench.leaderboard.results import Report
from bench.spreadsheets import harmless


def as_csv(report: Report) -> str:
    """One line per section and method."""
    rows = [flat_row(row) for row in as_json(report)["rows"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def plain(value: Any) -> Any:
    """A value as CSV writes it: objects and lists as JSON, texts that a spreadsheet would run with `'` in front."""
    return json.dumps(value) if isinstance(value, dict | list) else harmless(value)
