"""The files of a report, all from the same results. A new format is one entry in `FORMS`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.leaderboard.figures import FigureFiles, draw, files
from bench.leaderboard.formats.to_csv import as_csv
from bench.leaderboard.formats.to_html import as_html
from bench.leaderboard.formats.to_json import as_json
from bench.leaderboard.formats.to_latex import as_tex
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.leaderboard.results import Report
from tasks.errors import printable


def json_text(report: Report) -> str:
    """`leaderboard.json`, indented; NaN is null, since JSON readers disagree on NaN."""
    return json.dumps(as_json(report), indent=1, allow_nan=False) + "\n"


FORMS: Mapping[str, Callable[[Report, tuple[FigureFiles, ...]], str]] = {
    "leaderboard.json": lambda report, figures: json_text(report),
    "leaderboard.csv": lambda report, figures: as_csv(report),
    "leaderboard.tex": lambda report, figures: as_tex(report),
    "leaderboard.html": as_html,
    "leaderboard.md": as_markdown,
}


def render(report: Report, *, figures: bool = True) -> dict[Path, bytes]:
    """Paths relative to the report's folder, and contents; the same bytes for the same cells."""
    drawn = draw(report) if figures else ()
    pictures = {path: content if path.suffix == ".png" else content.decode() for path, content in files(drawn).items()}
    texts = {Path(name): form(report, drawn) for name, form in FORMS.items()}
    # Names may come from anywhere, and a reader's terminal obeys control characters.
    return {
        path: content if isinstance(content, bytes) else printable(content).encode()
        for path, content in {**pictures, **texts}.items()
    }
