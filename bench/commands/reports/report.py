"""`bench report`: writes the leaderboard of one or more stores, or checks that a report is up to date with them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.leaderboard import Rules, write_report
from bench.leaderboard.build import build
from bench.leaderboard.figures import FOLDER
from bench.leaderboard.figures.reuse import INDEX
from bench.leaderboard.formats import FORMS, USUAL, formats_of, json_text, render
from bench.leaderboard.rules import CHOICES, require_baseline
from bench.remote.opened import send_looks
from bench.store.files import read_json
from bench.store.looks import record_look, with_looks
from bench.store.manifest import grids, stored
from bench.store.merge import merged, refuse_mixed_rows, with_several_codes
from bench.store.schemas import WrittenReport
from methods import discover
from tasks.errors import join_names, plural

__all__ = ["check", "formats_of", "gathered", "left_from_before", "looked", "report"]

MAX_LINE = 160  # characters shown of a line that differs


def report(
    stores: Sequence[Path], reports: Path, rules: Rules, *, command: str, figures: bool, formats: Sequence[str] = USUAL
) -> tuple[Path, list[str]]:
    """Write the report of everything in one or more stores. Returns the leaderboard, and lines on what it lacks.

    Raises UserError if no store has the baseline.
    """
    manifest, root = gathered(stores, rules)
    require_baseline(manifest, rules, ", ".join(map(str, stores)))
    stated = {} if tuple(formats) == USUAL else {"formats": list(formats)}
    written = write_report({**manifest, "command": command, **stated}, root, reports, rules, figures=figures)
    looked(stores, root, manifest)
    return written, not_registered([manifest]) if "html" in formats else []


def not_registered(manifests: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line on the methods of which the page says less, because this process does not know them."""
    entries = (entry for each in manifests for section in each["sections"] for entry in section["methods"])
    if lacking := sorted({str(entry.get("method", entry["label"])) for entry in entries} - discover().keys()):
        return [
            f"leaderboard.html has no idea, formula and settings of {join_names(lacking)}: the methods of a file are "
            "known with --plugin FILE.py, those of a package where it is installed"
        ]
    return []


def looked(stores: Sequence[Path], root: Path, manifest: Mapping[str, Any]) -> None:
    """Note that the verdicts of a manifest of these stores were read; nothing for several, or one only to be read."""
    if len(stores) == 1:
        with contextlib.suppress(OSError):
            record_look(root, manifest)
            send_looks(root)


def left_from_before(reports: Path, formats: Sequence[str], *, figures: bool) -> Iterator[str]:
    """A line for each file of another format, and for the figures, which an earlier report left in the folder."""
    for name in FORMS:
        path = reports / f"leaderboard.{name}"
        if name not in formats and path.is_file():
            yield f"{path} is that of an earlier report: --format has no {name}"
    if (reports / FOLDER / INDEX).is_file() and not (figures and "md" in formats):
        cause = "--format has no md" if figures else "--no-figures"
        yield f"{reports / FOLDER}/ is that of an earlier report: {cause}"


def gathered(stores: Sequence[Path], rules: Rules) -> tuple[dict[str, Any], Path]:
    """One manifest, and the folder that its paths are relative to. Raises UserError if stores or cells do not match."""
    if len(stores) == 1:
        manifest = stored(stores[0])
        if rules.allow_mixed:
            manifest = with_several_codes(stores[0], manifest)
        else:
            refuse_mixed_rows(stores[0], manifest)
        return with_looks(stores, manifest), stores[0]
    return with_looks(stores, merged(stores, allow_mixed=rules.allow_mixed)), Path()


def check(stores: Sequence[Path], reports: Path) -> tuple[list[str], bool]:
    """A line for each file of a report that would change if it were written now, and one on all; whether none would."""
    lines, names = list(changes_now(stores, reports)), ", ".join(f"{store}/" for store in stores)
    if lines:
        changed = plural(len(lines), "file")
        lines += not_registered(stored(store) for store in stores)
        return [*lines, f"{reports}/ is not up to date with {names}: {changed} would change"], False
    return [f"{reports}/ is up to date with {names}"], True


def changes_now(stores: Sequence[Path], reports: Path) -> Iterator[str]:
    """A line for each file of a report that would change if it were written now.

    The grid (one of the store, or all of them) and the rules are the ones that the report itself states. Raises
    UserError if there is no report.
    """
    if not (reports / "leaderboard.json").is_file():
        raise UserError(f"no report to check: there is no {reports / 'leaderboard.json'}; `bench report` writes one")
    try:
        written = read_json(reports / "leaderboard.json", WrittenReport)
        rules, command = rules_of(written), written["command"]
        stated = {"formats": formats} if (formats := written.get("formats")) else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{reports / 'leaderboard.json'} is not the JSON of a report: {error}") from error
    root = stores[0] if len(stores) == 1 else Path()
    single = [with_looks(stores, grid) for grid in grids(stores[0])] if len(stores) == 1 else []
    likely = [grid for grid in single if grid["command"] == command] or [gathered(stores, rules)[0]]
    tables = (build({**grid, "command": command, **stated}, root, rules) for grid in (*likely, *single))
    text, first = text_of(reports / "leaderboard.json"), next(tables)
    table = next((table for table in itertools.chain([first], tables) if json_text(table) == text), first)
    if "md" in (formats or USUAL):
        figures = "](figures/" in text_of(reports / "leaderboard.md")
    else:
        figures = "data:image/svg+xml" in text_of(reports / "leaderboard.html")
    yield from changed_files(render(table, figures=figures), reports)


def rules_of(written: Mapping[str, Any]) -> Rules:
    """The rules that a report states; one of an earlier version lacks the later rules, whose defaults are taken."""
    rules = Rules(**{field.name: written[field.name] for field in fields(Rules) if field.name in written})
    for name, choices in CHOICES.items():
        if (found := getattr(rules, name)) not in choices:
            raise ValueError(f"{found!r} is no {name}")
    return rules


def text_of(path: Path) -> str:
    """The text of a file, empty if there is no file."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def changed_files(expected: Mapping[Path, bytes], reports: Path) -> Iterator[str]:
    """A line for each file that is missing or differs, with its first line that differs."""
    for path, content in expected.items():
        file = reports / path
        if not file.is_file():
            yield f"{path}: missing"
        elif (present := file.read_bytes()) != content:
            yield f"{path}: {first_difference(content, present)}"


def first_difference(expected: bytes, present: bytes) -> str:
    """The first line in which two texts differ."""
    try:
        lines = itertools.zip_longest(expected.decode().splitlines(), present.decode().splitlines(), fillvalue="")
    except UnicodeDecodeError:
        return "contents differ"
    for number, (one, other) in enumerate(lines, 1):
        if one != other:
            return f"line {number}: the store gives {one[:MAX_LINE]!r}, the file has {other[:MAX_LINE]!r}"
    return "line endings differ"
