"""`bench report`: write the leaderboard of one or more stores, or check that a written one is what the store says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.leaderboard import Rules, write_report
from bench.leaderboard.build import build
from bench.leaderboard.formats import json_text, render
from bench.leaderboard.rules import Correction, require_baseline
from bench.store.files import read_json
from bench.store.manifest import grids, stored
from bench.store.merge import merged

LINE = 160  # characters of a line that is shown


def write(stores: Sequence[Path], reports: Path, rules: Rules, *, command: str, figures: bool) -> Path:
    """Write the report of everything in one or more stores. Raises UserError for a baseline that is not there."""
    manifest, root = gathered(stores, rules)
    require_baseline(manifest, rules, ", ".join(map(str, stores)))
    return write_report({**manifest, "command": command}, root, reports, rules, figures=figures)


def gathered(stores: Sequence[Path], rules: Rules) -> tuple[dict[str, Any], Path]:
    """One manifest, and the folder that its paths are relative to. Raises UserError where stores do not match."""
    if len(stores) == 1:
        return stored(stores[0]), stores[0]
    return merged(stores, allow_mixed=rules.allow_mixed), Path()


def check(stores: Sequence[Path], reports: Path) -> Iterator[str]:
    """A line for each file of a report that is not what its store gives now; nothing where all are.

    The grid (one of the store's, or all of them) and the rules are those that the report itself names. Raises
    UserError where there is no report.
    """
    try:
        told = read_json(reports / "leaderboard.json")
        rules = Rules(**{field.name: told[field.name] for field in fields(Rules)})
        rules, command = replace(rules, correction=Correction(rules.correction)), told["command"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{reports / 'leaderboard.json'} is not a report's: {error}") from error
    whole, root = gathered(stores, rules)
    single = grids(stores[0]) if len(stores) == 1 else []
    likely = [grid for grid in single if grid["command"] == command] or [whole]
    tables = (build({**grid, "command": command}, root, rules) for grid in (*likely, *single))
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
