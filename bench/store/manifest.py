"""The manifest of a grid: what was asked for, as JSON, so that a report can be made again without the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import methods
from bench.errors import UserError
from bench.hashing import digest
from bench.store.files import read_json, write_json

SCHEMA = 1
GRIDS = ".grids"
PRECOMPUTED = "artefacts"  # of a grid: the folders that its cells share, checkers that are no cells among them
# What two grids must share for their cells to stand in one table.
TRAINING = ("encoder_hash", "checker_encoder_hash", "preset", "protocol", "settings")
GATHERED = ("seeds", "records", "checkers", "methods")  # what sections of one table have together
SECTION = ("task_ref", "source", "sizes", "hashes", "given_checkers", *TRAINING)


def missing_references(named: set[str]) -> list[str]:
    """The references that are not among the methods; a report without them says so."""
    return [name for name in methods.group("references") if name not in named]


def save(manifest: dict[str, Any], root: Path) -> None:
    """Keep a grid's manifest in its store; the same grid again is the same file, made anew."""
    name = digest({key: value for key, value in manifest.items() if key != "command"})
    write_json(root / GRIDS / f"{name}.json", manifest)


def grids(root: Path) -> list[dict[str, Any]]:
    """The manifests of all grids that a store has run, the last one last. Raises UserError where there is none."""
    paths = sorted((root / GRIDS).glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not paths:
        raise UserError(f"no grid was run in {root}; `bench run --out {root}` runs one")
    return [read(path) for path in paths]


def read(path: Path) -> dict[str, Any]:
    """One grid's manifest. Raises UserError for a file that is none, or one of another version."""
    grid = read_json(path)
    if grid.get("schema") != SCHEMA or "sections" not in grid:
        raise UserError(f"{path} is not a grid of this version; remove it, and run its grid again to report on it")
    return grid


def stored(root: Path) -> dict[str, Any]:
    """One manifest of all grids that a store has run, for `bench report`. Raises UserError where there is none."""
    return joined(grids(root), f"python -m bench report --out {root.name}")


def joined(grids: Sequence[Mapping[str, Any]], command: str) -> dict[str, Any]:
    """One manifest of several: where two name a cell for the same method and seed, the later one is right."""
    sections: dict[str, dict[str, Any]] = {}
    for section in (section for grid in grids for section in grid["sections"]):
        known = sections.setdefault(section_key(section), {**section, "methods": []})
        merge(known, section)
    named = {method["method"] for section in sections.values() for method in section["methods"]}
    return {
        "schema": SCHEMA,
        "command": command,
        "references_missing": missing_references(named),
        "left_out": {},
        "sections": list(sections.values()),
    }


def section_key(section: Mapping[str, Any]) -> str:
    """Which table the section's cells stand in."""
    return digest({name: section.get(name) for name in SECTION})


def merge(known: dict[str, Any], section: Mapping[str, Any]) -> None:
    """Add a later section's methods and seeds to those known of the same task, data and training, and what it says."""
    known.update({name: told for name, told in section.items() if name not in GATHERED})
    known["seeds"] = sorted({*known["seeds"], *section["seeds"]})
    known["records"] = {**known.get("records", {}), **section.get("records", {})}
    for name, cells in section["checkers"].items():
        known["checkers"] = {**known["checkers"], name: {**known["checkers"].get(name, {}), **cells}}
    for method in section["methods"]:
        same = [entry for entry in known["methods"] if entry["label"] == method["label"]]
        if same:
            same[0].update({**method, **{name: {**same[0][name], **method[name]} for name in ("cells", "needs")}})
        else:
            known["methods"].append(dict(method))
