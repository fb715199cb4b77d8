"""The files of a report, all from the same results. A new format is one entry in `FORMS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.leaderboard.figures import Drawn, draw, files
from bench.leaderboard.formats.to_csv import as_csv
from bench.leaderboard.formats.to_html import as_html
from bench.leaderboard.formats.to_json import as_json
from bench.leaderboard.formats.to_latex import as_tex
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.leaderboard.results import Table


def json_text(table: Table) -> str:
    """`leaderboard.json`, indented; NaN is null, since JSON readers disagree on NaN."""
    return json.dumps(as_json(table), indent=1, allow_nan=False) + "\n"


FORMS: Mapping[str, Callable[[Table, tuple[Drawn, ...]], str]] = {
    "leaderboard.json": lambda table, figures: json_text(table),
    "leaderboard.csv": lambda table, figures: as_csv(table),
    "leaderboard.tex": lambda table, figures: as_tex(table),
    "leaderboard.html": as_html,
    "leaderboard.md": as_markdown,
}


def render(table: Table, *, figures: bool = True) -> dict[Path, bytes]:
    """Paths relative to the report's folder, and contents; the same bytes for the same cells."""
    drawn = draw(table) if figures else ()
    texts = {Path(name): form(table, drawn).encode() for name, form in FORMS.items()}
    return {**files(drawn), **texts}
