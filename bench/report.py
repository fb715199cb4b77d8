"""`bench report`: write the leaderboard of a store, or check that a written one is what the store says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.errors import UserError, nearest
from bench.leaderboard import BASELINE, write_report
from bench.leaderboard.render import json_text, render
from bench.leaderboard.table import build
from bench.manifest import GRIDS, stored
from bench.store import read_json

LINE = 160  # characters of a line that is shown


def write(
    out: Path, reports: Path, *, command: str, baseline: str, delta: float, allow_mixed: bool, figures: bool
) -> Path:
    """Write the report of everything in a store. Raises UserError for a baseline that it does not have."""
    manifest = {**stored(out), "command": command}
    known = sorted({entry["label"] for section in manifest["sections"] for entry in section["methods"]})
    if baseline != BASELINE and baseline not in known:
        raise UserError(f"no method {baseline} in {out}{nearest(baseline, known)}")
    return write_report(
        manifest, out, reports, baseline=baseline, delta=delta, allow_mixed=allow_mixed, figures=figures
    )


def check(out: Path, reports: Path) -> Iterator[str]:
    """A line for each file of a report that is not what its store gives now; nothing where all are.

    The grid (one of the store's, or all of them), the baseline and the other options are those that the report itself
    names. Raises UserError where there is no report.
    """
    try:
        told = read_json(reports / "leaderboard.json")
        options = {key: told[key] for key in ("baseline", "delta", "allow_mixed")}
        command = told["command"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{reports / 'leaderboard.json'} is not a report's: {error}") from error
    grids = [read_json(path) for path in sorted((out / GRIDS).glob("*.json"))]
    likely = [grid for grid in grids if grid["command"] == command] or [stored(out)]
    tables = (build({**grid, "command": command}, out, **options) for grid in (*likely, *grids))
    written, first = text_of(reports / "leaderboard.json"), next(tables)
    table = next((one for one in itertools.chain([first], tables) if json_text(one) == written), first)
    figures = "](figures/" in text_of(reports / "leaderboard.md")
    yield from differences(render(table, figures=figures), reports)


def text_of(path: Path) -> str:
    """The text of a file, empty where there is none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def differences(expected: Mapping[Path, bytes], reports: Path) -> Iterator[str]:
    """Files that are missing or have other contents, with the first line that differs."""
    for path, content in expected.items():
        file = reports / path
        if not file.is_file():
            yield f"{path}: missing"
        elif (there := file.read_bytes()) != content:
            yield f"{path}: {first_difference(content, there)}"


def first_difference(expected: bytes, there: bytes) -> str:
    """Where two contents part."""
    try:
        lines = itertools.zip_longest(expected.decode().splitlines(), there.decode().splitlines(), fillvalue="")
    except UnicodeDecodeError:
        return "other contents"
    for number, (one, other) in enumerate(lines, 1):
        if one != other:
            return f"line {number}: the store gives {one[:LINE]!r}, the file has {other[:LINE]!r}"
    return "other ends of lines"
