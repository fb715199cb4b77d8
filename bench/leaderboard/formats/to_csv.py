"""`leaderboard.csv`: the rows of `leaderboard.json`, flat; what is not known is empty, objects are JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from bench.leaderboard.formats.to_json import as_json, flat_row
from bench.leaderboard.results import Table


def as_csv(table: Table) -> str:
    """One line per section and method label."""
    rows = [flat_row(row) for row in as_json(table)["rows"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def plain(value: Any) -> Any:
    """A value as a cell."""
    return json.dumps(value) if isinstance(value, dict | list) else value
