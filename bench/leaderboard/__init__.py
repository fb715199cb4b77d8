"""The report: the methods of a grid compared, as Markdown, HTML, JSON, CSV, TeX and figures.

Importing this package is cheap; NumPy, SciPy and pandas load when a report is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.leaderboard.rules import USUAL, Rules

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["USUAL", "Rules", "frame", "write_files", "write_report"]


def write_report(
    manifest: dict[str, Any], store: Path, reports: Path, rules: Rules = USUAL, *, figures: bool = True
) -> Path:
    """Write the report as `write_files` does. Returns the path of `leaderboard.md`, or of its first format."""
    return write_files(manifest, store, reports, rules, figures=figures)[0]


def write_files(
    manifest: dict[str, Any], store: Path, reports: Path, rules: Rules = USUAL, *, figures: bool = True
) -> list[Path]:
    """Write the report on the cells of a manifest. Returns the paths of its files, the one to read first.

    `store`: the folder that the manifest's paths are relative to. A figure takes about half a second; those that
    `reports` has already, drawn from the same content, are not drawn again; those that only an earlier report shows are
    removed. `formats` of the manifest: those to write, by default all but the workbook.
    Raises UserError where a cell's files contradict each other, or its test rows are not those of its section.
    """
    from bench.leaderboard.build import build
    from bench.leaderboard.figures import FOLDER, Drawing
    from bench.leaderboard.figures.reuse import Drawn
    from bench.leaderboard.formats import holds_figures, render
    from bench.processes import pool_of_cells
    from bench.store.files import write_together

    figures = figures and holds_figures(manifest)
    with pool_of_cells(cell_count(manifest) if figures else 0) as processes:
        drawing = Drawing(manifest["sections"], rules, reports / FOLDER, processes) if figures else None
        report = build(manifest, store, rules, drawing.add if drawing else None)
        contents = render(report, figures=figures, drawing=drawing)
    formats = manifest.get("formats", ("md",))
    left = Drawn(reports / FOLDER).unchanged() if figures and "md" in formats else set()
    write_together({reports / path: content for path, content in contents.items()})
    for path in left - {reports / path for path in contents}:
        path.unlink(missing_ok=True)
    first = reports / f"leaderboard.{'md' if 'md' in formats else formats[0]}"
    return [first, *(path for path in map(reports.joinpath, contents) if path != first)]


def cell_count(manifest: Mapping[str, Any]) -> int:
    """The number of cells that a manifest names."""
    return sum(len(method["cells"]) for section in manifest["sections"] for method in section["methods"])


def frame(manifest: dict[str, Any], store: Path, rules: Rules = USUAL) -> pd.DataFrame:
    """The leaderboard as a DataFrame: one row per section and method, nested values as `accuracy_mean`."""
    import pandas as pd

    from bench.leaderboard.build import build
    from bench.leaderboard.formats.to_json import as_json, flat_row

    return pd.DataFrame([flat_row(row) for row in as_json(build(manifest, store, rules))["rows"]])
