"""The files of a report, all from the same results. A new format is one entry in `FORMS`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.leaderboard.figures import FOLDER, Drawing, FigureFiles, draw, files
from bench.leaderboard.figures.reuse import index_of
from bench.leaderboard.formats.to_csv import as_csv
from bench.leaderboard.formats.to_html import as_html
from bench.leaderboard.formats.to_json import as_json
from bench.leaderboard.formats.to_latex import as_tex
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.leaderboard.formats.to_xlsx import as_xlsx
from bench.leaderboard.results import Report
from tasks.errors import printable


def json_text(report: Report) -> str:
    """`leaderboard.json`, indented; NaN is null, since JSON readers disagree on NaN."""
    return json.dumps(as_json(report), indent=1, allow_nan=False) + "\n"


USUAL = ("md", "html", "tex", "csv", "json")  # the formats that are written unless others are asked for
FORMS: Mapping[str, Callable[[Report, tuple[FigureFiles, ...]], str | bytes]] = {
    "json": lambda report, figures: json_text(report),
    "csv": lambda report, figures: as_csv(report),
    "tex": lambda report, figures: as_tex(report),
    "html": as_html,
    "md": as_markdown,
    "xlsx": lambda report, figures: as_xlsx(report),
}
WITH_FIGURES = ("html", "md")


def formats_of(text: str) -> tuple[str, ...]:
    """The formats that an option names: `md,html,xlsx`. Raises UserError for an unknown one, or a package it lacks."""
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in FORMS:
            raise unknown("format", name, FORMS)
    if not names:
        raise UserError(f"--format names no format; there are {', '.join(FORMS)}")
    if "xlsx" in names and importlib.util.find_spec("xlsxwriter") is None:
        raise UserError("--format xlsx needs the package XlsxWriter: pip install XlsxWriter")
    return names


def holds_figures(manifest: Mapping[str, Any]) -> bool:
    """Whether a format that the manifest names can hold figures."""
    return any(name in WITH_FIGURES for name in manifest.get("formats", USUAL))


def render(report: Report, *, figures: bool = True, drawing: Drawing | None = None) -> dict[Path, bytes]:
    """Paths relative to the report's folder, and contents, in the formats that the manifest names.

    The same bytes for the same cells. Figures are files beside the Markdown; the page holds them itself. `drawing`:
    what draws them already, while texts that hold no figure are written here. If it has the folder of an earlier
    report, an index for the next one is added.
    """
    formats = report.manifest.get("formats", USUAL)
    texts = {name: form(report, ()) for name, form in FORMS.items() if name in formats and name not in WITH_FIGURES}
    drawn: tuple[FigureFiles, ...] = ()
    if figures and holds_figures(report.manifest):
        drawn = drawing.drawn() if drawing else draw(report)
    texts |= {name: FORMS[name](report, drawn) for name in WITH_FIGURES if name in formats}
    beside = files(drawn) if "md" in formats else {}
    pictures = {path: content if path.suffix == ".png" else content.decode() for path, content in beside.items()}
    # Names may come from anywhere, and a reader's terminal obeys control characters.
    contents = {
        path: content if isinstance(content, bytes) else printable(content).encode()
        for path, content in {**pictures, **{Path(f"leaderboard.{name}"): text for name, text in texts.items()}}.items()
    }
    index = index_of(drawn, contents, Path(FOLDER)) if drawing and drawing.earlier and beside else {}
    return {**contents, **index}
