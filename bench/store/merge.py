"""Merges the manifests of several stores, for example of two machines that each ran a part of a grid.

Cells are named by their content, so merging is a union of paths: sections with other data or training become tables of
their own, and the leaderboard gives no verdict on cells from different environments. Only one difference would go
unnoticed, and is refused here: other code of a method, whose cells would share a row. One store may have such rows too:
after `bench merge`, or where a method was edited between two grids. The cells of one grid were planned by one code.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import UserError
from bench.store.files import read_json
from bench.store.integrity import damage
from bench.store.layout import DONE, SPEC, root_of
from bench.store.manifest import SEVERAL, joined, of_newest_values, section_key, stored
from bench.store.schemas import CodeSpec
from bench.store.transfer import difference
from tasks.errors import join_names, plural

TRAIN_AGAIN = "train one of them again"
REMEDY = f"{TRAIN_AGAIN}, or report both in one row with --allow-mixed"


class Part(NamedTuple):
    """A store, and the sections of all its grids."""

    root: Path
    manifest: dict[str, Any]


class FinishedCell(NamedTuple):
    """A finished cell, and the row of the report that it belongs to."""

    table: str  # key of its section
    task: str
    label: str
    seed: str
    folder: Path

    @property
    def row(self) -> tuple[str, str]:
        """The table and the label of its row."""
        return self.table, self.label

    @property
    def result(self) -> tuple[str, str, str]:
        """The row and the seed: the place of the cell in the report."""
        return self.table, self.label, self.seed


def merged(stores: Sequence[Path], *, allow_mixed: bool) -> dict[str, Any]:
    """The manifest of everything in the stores, its paths relative to the working folder.

    Raises UserError where stores trained a method with different code, unless `allow_mixed`; of two cells for one
    method and seed the later store's then counts. So it does where a cell has other results in two stores, and a note
    of its section says so. Cells that read other values than the row's last ones are left out, as in one store. A
    damaged cell of one store hides no whole cell of another.
    """
    roots = list(dict.fromkeys(stores))
    parts = list(map(Part, roots, of_newest_values(list(map(stored, roots)))))
    cells = [cell for part in parts for cell in finished_cells(part)]
    if not allow_mixed:
        refuse_mixed_code(cells)
    command = "python -m bench report " + " ".join(f"--from {part.root.name}" for part in parts)
    manifest = joined([below(part, cells) for part in parts], command)
    codes = several_codes(cells) if allow_mixed else {}  # without, there are none
    return with_notes(with_notes(manifest, codes), conflicts(cells))


def with_notes(manifest: dict[str, Any], notes: Mapping[str, str]) -> dict[str, Any]:
    """A manifest whose sections begin with further notes, by their keys."""
    sections = [
        {**section, "notes": [*filter(None, [notes.get(section_key(section))]), *section["notes"]]}
        for section in manifest["sections"]
    ]
    return {**manifest, "sections": sections}


def with_several_codes(root: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest of one store with notes on the rows of several codes, which `--allow-mixed` shows."""
    return with_notes(manifest, several_codes(cells_of(Part(root, of_several_grids(manifest)))))


def of_several_grids(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of one store with those of its methods alone that have cells of several grids."""
    sections = [
        {**section, "methods": [entry for entry in section["methods"] if SEVERAL in entry]}
        for section in manifest["sections"]
    ]
    return {**manifest, "sections": sections}


def mixed_rows(cells: Iterable[FinishedCell]) -> list[list[FinishedCell]]:
    """The rows, each with all its cells, whose cells were trained by different code of the method."""
    rows = defaultdict[tuple[str, str], list[FinishedCell]](list)
    for cell in cells:
        rows[cell.row].append(cell)
    return [cells for cells in rows.values() if len({code_of(cell.folder) for cell in cells} - {""}) > 1]


def several_codes(cells: Iterable[FinishedCell]) -> dict[str, str]:
    """By table, a note on the methods whose cells were trained by different code of the method."""
    found = defaultdict[str, list[str]](list)
    for first, *_ in mixed_rows(cells):
        found[first.table].append(first.label)
    return {
        table: f"mixed code (--allow-mixed): other code of the method trained some cells of {join_names(labels)}"
        for table, labels in found.items()
    }


def conflicts(cells: Sequence[FinishedCell]) -> dict[str, str]:
    """By table, a note on the cells that have other results in two stores."""
    first: dict[tuple[str, str, str], FinishedCell] = {}
    found: dict[str, list[str]] = {}
    for cell in cells:
        earlier = first.setdefault(cell.result, cell)
        if earlier.folder.name == cell.folder.name and difference(earlier.folder, cell.folder):
            found.setdefault(cell.table, []).append(f"{cell.label} seed {cell.seed} of {root_of(cell.folder).name}")
    what = "with other results in several stores; those of the later store count"
    return {
        table: f"conflict: {plural(len(names), 'cell')} {what}: {join_names(names)}" for table, names in found.items()
    }


def finished_cells(part: Part) -> Iterator[FinishedCell]:
    """The finished cells of a store."""
    return (cell for cell in cells_of(part) if finished(cell.folder))


def cells_of(part: Part) -> Iterator[FinishedCell]:
    """The cells of a store that have a result, which may be damaged."""
    for section in part.manifest["sections"]:
        key = section_key(section)
        for entry in section["methods"]:
            for seed, path in entry["cells"].items():
                if (part.root / path / DONE).exists():
                    yield FinishedCell(key, section["task_ref"], entry["label"], seed, part.root / path)


def refuse_mixed_rows(root: Path, manifest: dict[str, Any], remedy: str = REMEDY) -> None:
    """Raise UserError for a row of one store with cells of different code. `manifest`: that of the store.

    Whether cells are damaged is examined in such rows alone, since all their files are read for it.
    """
    for cells in mixed_rows(cells_of(Part(root, of_several_grids(manifest)))):
        refuse_mixed_code([cell for cell in cells if finished(cell.folder)], remedy)


def unmixed(root: Path) -> dict[str, Any]:
    """The manifest of a store, as `stored`, for commands without `--allow-mixed`. Raises UserError for mixed rows."""
    manifest = stored(root)
    refuse_mixed_rows(root, manifest, TRAIN_AGAIN)
    return manifest


def refuse_mixed_cells(section: Mapping[str, Any], cells: Mapping[int, Path]) -> None:
    """Raise UserError for cells of one method of a section, by seed, that different code trained."""
    of_cell = {Path(path).name: entry["label"] for entry in section["methods"] for path in entry["cells"].values()}
    key, task = section_key(section), section["task_ref"]
    refuse_mixed_code(
        [FinishedCell(key, task, of_cell[cell.name], str(seed), cell) for seed, cell in cells.items()], TRAIN_AGAIN
    )


def code_of(folder: Path) -> str:
    """The code that trained a cell; empty if its `spec.json` does not say it, as that of a damaged cell may not."""
    with contextlib.suppress(UserError, OSError):
        return str(read_json(folder / SPEC, CodeSpec)["code"])
    return ""


def refuse_mixed_code(cells: Sequence[FinishedCell], remedy: str = REMEDY) -> None:
    """Raise UserError for a row with cells of different code, or with two different cells at one seed."""
    ids: dict[tuple[str, str, str], FinishedCell] = {}
    codes: dict[tuple[str, str], tuple[str, FinishedCell]] = {}
    for cell in cells:
        code = str(read_json(cell.folder / SPEC, CodeSpec)["code"])
        known_code, first = codes.setdefault(cell.row, (code, cell))
        same_seed = ids.setdefault(cell.result, cell)
        if code != known_code:
            raise mixed(first, cell, f"method code {known_code} and {code}", remedy)
        if cell.folder.name != same_seed.folder.name:
            raise mixed(same_seed, cell, "code of the trainer or of a checker", remedy)


def mixed(one: FinishedCell, other: FinishedCell, what: str, remedy: str) -> UserError:
    """The error for two cells of one row that different code trained."""
    return UserError(
        f"{one.task}, {one.label}: {one.folder} and {other.folder} were trained by different code ({what}); {remedy}"
    )


def finished(folder: Path) -> bool:
    """Whether a cell has a result that can be used."""
    return (folder / DONE).exists() and not damage(folder)


def below(part: Part, cells: Sequence[FinishedCell]) -> dict[str, Any]:
    """A store's manifest with its folder before each path, without unusable cells that another store has finished.

    `cells`: the finished ones of all stores.
    """
    folders, done = {cell.folder for cell in cells}, {cell.result for cell in cells}

    def paths(names: Mapping[str, str]) -> dict[str, str]:
        return {seed: str(part.root / name) for seed, name in names.items()}

    def moved(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
        cells = {
            seed: path
            for seed, path in entry["cells"].items()
            if part.root / path in folders or (key, entry["label"], seed) not in done
        }
        needs = {seed: [str(part.root / name) for name in entry["needs"].get(seed, [])] for seed in cells}
        return {**entry, "cells": paths(cells), "needs": needs}

    sections = [
        {
            **section,
            "checkers": {name: paths(cells) for name, cells in section["checkers"].items()},
            "methods": [moved(entry, section_key(section)) for entry in section["methods"]],
        }
        for section in part.manifest["sections"]
    ]
    return {**part.manifest, "sections": sections}
