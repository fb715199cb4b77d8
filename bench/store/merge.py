"""One manifest of several stores, such as two machines leave that each ran a part; what does not match is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import UserError
from bench.store.files import read_json
from bench.store.layout import DONE, ENVIRONMENT
from bench.store.manifest import SECTION, joined, section_key, stored


class Part(NamedTuple):
    """A store, and the sections of all its grids."""

    root: Path
    manifest: dict[str, Any]


def merged(stores: Sequence[Path], *, allow_mixed: bool) -> dict[str, Any]:
    """The manifest of everything in the stores, its paths relative to the working folder.

    Two stores match where, for each task that both have, the data, encoder, training and protocol of one are among
    those of the other, the same holds for code, versions and device, and no method of one seed is two different cells.
    Raises UserError for the first thing that does not, unless `allow_mixed`: then other data or training make a table
    of their own, environments are paired, and of two cells the later store's is taken.
    """
    parts = [Part(root, stored(root)) for root in dict.fromkeys(stores)]
    for one, other in combinations(parts, 2):
        if not allow_mixed:
            alike(one, other)
    done = set().union(*(results(part) for part in parts))
    command = "python -m bench report " + " ".join(f"--from {part.root.name}" for part in parts)
    return joined([below(part, done) for part in parts], command)


def alike(one: Part, other: Part) -> None:
    """Raise UserError unless two stores match."""
    for task in tasks(one) & tasks(other):
        mine, theirs = (by_key(part, task) for part in (one, other))
        if not (set(mine) <= set(theirs) or set(theirs) <= set(mine)):
            a = next(section for key, section in mine.items() if key not in theirs)
            b = next(section for key, section in theirs.items() if key not in mine)
            raise mismatch(task, one, other, ", ".join(changes(a, b)))
        for key in set(mine) & set(theirs):
            same_cells(task, one, other, mine[key], theirs[key])
            same_environment(task, one, other, mine[key], theirs[key])


def tasks(part: Part) -> set[str]:
    """The task references of a store."""
    return {section["task_ref"] for section in part.manifest["sections"]}


def by_key(part: Part, task: str) -> dict[str, dict[str, Any]]:
    """The sections of a task by what makes a table."""
    return {section_key(section): section for section in part.manifest["sections"] if section["task_ref"] == task}


def mismatch(task: str, one: Part, other: Part, what: str) -> UserError:
    """What two stores do not share."""
    return UserError(f"{one.root} and {other.root} do not match: {task}: {what}; --allow-mixed reports them anyway")


def changes(a: Mapping[str, Any], b: Mapping[str, Any], within: str = "") -> Iterable[str]:
    """What differs between two sections: `hashes.test 7e57 and 1234`."""
    for name in SECTION if not within else dict.fromkeys([*a, *b]):
        one, other = a.get(name), b.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from changes(one, other, f"{within}{name}.")
        elif one != other:
            yield f"{within}{name} {one} and {other}"


def same_cells(task: str, one: Part, other: Part, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raise UserError where a method has other code in each store, or is two cells (ids end their paths) at a seed."""
    known = {entry["label"]: entry["cells"] for entry in mine["methods"]}
    for label, cells in ((entry["label"], entry["cells"]) for entry in theirs["methods"]):
        here = known.get(label, {})
        for seed in set(here) & set(cells):
            if Path(here[seed]).name != Path(cells[seed]).name:
                told = f"{label}, seed {seed} is cell {Path(here[seed]).name} and {Path(cells[seed]).name}"
                raise mismatch(task, one, other, f"{told} (other code of the method or the trainer)")
        agree(task, one, other, f"code of {label}", *(codes(*pair) for pair in ((one.root, here), (other.root, cells))))


def codes(root: Path, cells: Mapping[str, str]) -> set[str]:
    """The code of a method that its finished cells name."""
    return {read_json(root / cell / "spec.json")["code"] for cell in cells.values() if finished(root / cell)}


def finished(folder: Path) -> bool:
    """Whether a cell has a result."""
    return (folder / DONE).exists()


def agree(task: str, one: Part, other: Part, what: str, mine: set[str], theirs: set[str]) -> None:
    """Raise UserError unless one store's values are among the other's."""
    if not (mine <= theirs or theirs <= mine):
        told = " and ".join("/".join(sorted(values)) for values in (mine, theirs))
        raise mismatch(task, one, other, f"{what} {told}")


def same_environment(task: str, one: Part, other: Part, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    """Raise UserError unless code, versions and devices of one store are among the other's."""
    a, b = environments(one.root, mine), environments(other.root, theirs)
    for key in ENVIRONMENT:
        agree(task, one, other, key, *({str(found.get(key, "unknown")) for found in part} for part in (a, b)))


def environments(root: Path, section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What made the finished cells of a section."""
    folders = [root / path for entry in section["methods"] for path in entry["cells"].values()]
    return [read_json(folder / "env.json") for folder in folders if finished(folder)]


def results(part: Part) -> set[tuple[str, str, str]]:
    """Table, method and seed of every finished cell."""
    return {
        (section_key(section), entry["label"], seed)
        for section in part.manifest["sections"]
        for entry in section["methods"]
        for seed, path in entry["cells"].items()
        if finished(part.root / path)
    }


def below(part: Part, done: Collection[tuple[str, str, str]]) -> dict[str, Any]:
    """A store's manifest with its folder before each path, without unfinished cells that another store has finished."""

    def paths(names: Mapping[str, str]) -> dict[str, str]:
        return {seed: str(part.root / name) for seed, name in names.items()}

    def moved(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
        cells = {
            seed: path
            for seed, path in entry["cells"].items()
            if finished(part.root / path) or (key, entry["label"], seed) not in done
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
