"""Copies finished folders from one store to another. Nothing is overwritten: a difference is named as a conflict.

Folders that came from a bundle are noted in `.imported/` of a store, and the notes go with them. A note holds for the
result that was imported: one that was trained here since, in the same folder, has another seal.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.store.files import read_json, replacing, whole_folder, write_json
from bench.store.folders import State, adopt, copy_folder, state
from bench.store.integrity import DIGESTS, SEAL
from bench.store.layout import DONE, GRIDS, IMPORTED, LOG, LOOKS, MODEL, SPEC, TABLES, TIMING, TRAIN_SCORES, VERSIONS
from bench.store.looks import looks_in, united
from bench.store.manifest import read, without_run
from bench.store.schemas import Imported

CHECKER = "checker"  # the precomputed tables that are results of a training, as cells are
# Files that may differ between two computations of one id: times and versions, names as they were typed (what they name
# is in the id), and the final scores of generated rows, which --final-scores leaves out.
NO_RESULTS = (TIMING, VERSIONS, LOG, SPEC, TRAIN_SCORES)


@dataclass
class Transfer:
    """What a transfer did with the cells of the source."""

    copied: list[str] = field(default_factory=list)  # folders below the store
    present: int = 0  # cells that the target has already, with the same result
    models: int = 0  # of these, those that get their saved model, which the target lacks
    left: int = 0  # cells that are not finished or damaged, or that a run is computing in the target
    conflicts: list[str] = field(default_factory=list)  # a line each


def transfer(source: Path, target: Path, kinds: Collection[str] | None = None) -> Transfer:
    """Copy finished cells, precomputed tables (of `kinds` alone, if given), grids, looks and notes on imports.

    A folder that `target` has stays as it is. Raises UserError for files that cannot be read, OSError where the target
    cannot be written.
    """
    done = Transfer()
    # Before the folders: no cell of a transfer that was stopped is without its note.
    if notes := sorted((source / IMPORTED).glob("*.json")):
        new = set(lacking(source, target))
        for path in notes:
            note = read_json(path, Imported)
            seals = {name: note.get("seals", {}).get(name, "") for name in note["cells"] if name in new}
            note_import(target / IMPORTED / path.name, note["name"], seals)
    for folder in cells(source):
        copy(folder, source, target, done)
    for folder in sorted((source / TABLES).glob("*/*")):
        if kinds is None or folder.parent.name in kinds:
            copy(folder, source, target, done if folder.parent.name == CHECKER else Transfer())
    copy_grids(source, target, done)
    return done


def cells(root: Path) -> Iterator[Path]:
    """The folders of a store's cells, in any state."""
    return (path for path in sorted(root.glob("[!.]*/[!.]*/[!.]*")) if path.is_dir())


def lacking(source: Path, target: Path) -> Iterator[str]:
    """The names of the finished cells and checkers of a store that `target` lacks and is not computing."""
    for folder in [*cells(source), *sorted((source / TABLES / CHECKER).glob("*"))]:
        name = folder.relative_to(source).as_posix()
        if state(folder) is State.DONE and state(target / name) not in (State.DONE, State.RUNNING):
            yield name


def copy(folder: Path, source: Path, target: Path, done: Transfer) -> None:
    """Copy one folder, or note in `done` why not."""
    name = folder.relative_to(source).as_posix()
    there = target / name
    if state(folder) is not State.DONE:
        done.left += 1
    elif adopt(folder, there, target):
        done.copied.append(name)
    elif not (there / DONE).exists():  # a run is computing it
        done.left += 1
    elif differing := difference(folder, there):
        done.conflicts.append(f"{name}: {differing} differs; {there} stays")
    else:
        done.present += 1
        done.models += copy_model(folder, there)


def copy_model(folder: Path, there: Path) -> bool:
    """Copy the saved model of a cell to a folder with the same result, unless that has one. Whether it was copied."""
    if not (folder / MODEL).is_dir() or (there / MODEL).exists():
        return False
    with whole_folder(there / MODEL) as part:
        copy_folder(folder / MODEL, part)
    return True


def difference(one: Path, other: Path) -> str:
    """The first result in which two finished folders of one id differ; empty if they agree."""
    ours, theirs = (read_json(folder / DONE).get(DIGESTS, {}) for folder in (one, other))
    names = sorted((ours.keys() | theirs.keys()) - {*NO_RESULTS})
    return next((name for name in names if ours.get(name) != theirs.get(name)), "")


def copy_grids(source: Path, target: Path, done: Transfer) -> None:
    """Copy the manifests that the target lacks, with their times, and join the looks of both."""
    for path in sorted((source / GRIDS).glob("*.json")):
        there, grid = target / GRIDS / path.name, read(path)
        if not there.exists():
            with replacing(there) as part:
                write_json(part, grid)
                shutil.copystat(path, part)
        elif without_run(grid) != without_run(read(there)):
            done.conflicts.append(f"{GRIDS}/{path.name} differs; {there} stays")
    for path in sorted((source / LOOKS).glob("*.json")):
        there = target / LOOKS / path.name
        write_json(there, united([looks_in(path), looks_in(there)]))


def note_import(path: Path, name: str, seals: Mapping[str, str]) -> None:
    """Add folders, with the seals of their results, to a note on the bundle `name`; no file for no folder."""
    known = read_json(path, Imported) if path.exists() else {}
    if seals:
        cells = sorted({*known.get("cells", []), *seals})
        write_json(path, {"name": name, "cells": cells, "seals": {**known.get("seals", {}), **seals}})


def imported(root: Path) -> dict[str, dict[str, str]]:
    """The bundles of a store's imported folders: by folder below the store, their names by the seal of the result.

    Notes of earlier versions have no seals (here: empty) and hold for every result.
    """
    names: dict[str, dict[str, str]] = {}
    for note in (read_json(path, Imported) for path in sorted((root / IMPORTED).glob("*.json"))):
        for cell in note["cells"]:
            names.setdefault(cell, {})[note.get("seals", {}).get(cell, "")] = note["name"]
    return names


def bundle_of(folder: Path, by_seal: Mapping[str, str]) -> str:
    """The name of the bundle that a folder's result comes from, given its entry of `imported`; empty if from none."""
    return by_seal.get(seal_of(folder)) or by_seal.get("", "") if by_seal else ""


def seal_of(folder: Path) -> str:
    """The seal of a finished folder; empty if it has no result, or one of an earlier version."""
    return str(read_json(folder / DONE).get(SEAL, "")) if (folder / DONE).exists() else ""
