"""The manifest of a grid: its sections as JSON, from which a report can be written again without the request."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import methods
from bench.errors import UserError
from bench.hashing import digest
from bench.shown import stored_command
from bench.store.files import read_json, write_json
from bench.store.layout import GRIDS
from bench.store.schemas import Manifest
from methods.base import COLUMN
from tasks.errors import join_names, plural

SCHEMA = 1
RAN = "ran"  # entry with the time of the last run, in ns since 1970: files of a bundle lose theirs
OF_A_RUN = ("command", RAN)
PRECOMPUTED = "artefacts"  # entry with the folders of a grid's precomputed tables and checkers
# Entries that two sections must share to be one table.
TRAINING = ("encoder_hash", "checker_encoder_hash", "preset", "protocol", "settings")
SEVERAL = "several_grids"  # entry of a method in the manifest of a store whose row is in several of its grids
# Entry of a method with the ids of the tables it reads that a file or a model of the user makes: extra columns of the
# generated rows, own checkers. Other methods of the section do not read them, so they are not in its key.
GIVEN = "given"
FIRST_GENERATION = "first_generation"  # where the seeds take generations: the hash of the one of all other tables
LEFT_OUT = "left out: "  # begins the note on cells that read other values of these than the last grid's
ENCODERS = ("encoder", "checker_encoder")  # entries with the names of encoders; theirs with `_hash` say which they are
EXAMPLE = re.compile(r"(Warning: .*?), such as .*", re.DOTALL)  # rows that a note quotes
GATHERED = ("seeds", "records", "checkers", "methods")  # entries that are joined from the sections of one table
SECTION = ("task_ref", "source", "sizes", "hashes", "cross_validation", "given_checkers", *TRAINING)


def missing_references(present: set[str]) -> list[str]:
    """The reference methods that are not among the methods; reports name them."""
    return [name for name in methods.group("references") if name not in present]


def save(manifest: dict[str, Any], root: Path) -> None:
    """Write a grid's manifest, with the time, to its store. The same grid has the same file, which is written again."""
    write_json(root / GRIDS / f"{digest(without_run(manifest))}.json", {**manifest, RAN: time.time_ns()})


def without_run(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a grid is: its manifest without the entries that say how and when it was run."""
    return {key: value for key, value in manifest.items() if key not in OF_A_RUN}


def grids(root: Path) -> list[dict[str, Any]]:
    """The manifests of all grids of a store, in the order of their runs. Raises UserError if there is none."""
    return [grid for _, grid in timed_grids(root)]


def no_results(root: Path) -> UserError:
    """The error for a folder without results. The usual cause is that the command was typed in another folder."""
    where = "" if root.is_absolute() else f"type the command in the folder that holds {root}, or "
    return UserError(f"no results in {root.absolute()}; {where}name another store with --out (`bench run` writes one)")


def timed_grids(root: Path) -> list[tuple[int, dict[str, Any]]]:
    """`grids`, each after the time of its last run, in ns since 1970."""
    paths = sorted((root / GRIDS).glob("*.json"))
    if not paths:
        raise no_results(root)
    times = {path: path.stat().st_mtime_ns for path in paths}  # for manifests of earlier versions
    found = [(grid.get(RAN, times[path]), grid) for path in paths for grid in [read(path)]]
    return sorted(found, key=lambda pair: pair[0])


def last_runs(root: Path) -> dict[str, int]:
    """When a grid with a cell was last run, by the cell's folder below the store, in ns since 1970.

    A file that was corrected between two grids gives one title to two cells, and this says which is the newer one.
    """
    runs = timed_grids(root) if any((root / GRIDS).glob("*.json")) else []
    rows = ((ran, entry) for ran, grid in runs for section in grid["sections"] for entry in section["methods"])
    return {path: ran for ran, entry in rows for path in entry["cells"].values()}


def read(path: Path) -> dict[str, Any]:
    """One grid's manifest. Raises UserError for another file or another version."""
    if read_json(path).get("schema") != SCHEMA:
        raise UserError(f"{path} is not a grid of this version; remove it, and run that grid again to report on it")
    return without_quotes(read_json(path, Manifest))


def without_quotes(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest that quotes no row and no setup line; those of earlier versions do, in warnings and in the command."""
    sections = [{**one, "notes": [EXAMPLE.sub(r"\1", note) for note in one["notes"]]} for one in manifest["sections"]]
    return {**manifest, "command": stored_command(manifest["command"]), "sections": sections}


def stored(root: Path) -> dict[str, Any]:
    """One manifest of all grids of a store, for `bench report`. Raises UserError if there is none."""
    parts = grids(root)
    manifest = joined(parts, f"python -m bench report --out {root.name}")
    counts = Counter(row for part in parts for row in dict(rows_of(part)))
    for row, entry in rows_of(manifest):
        if counts[row] > 1:
            entry[SEVERAL] = True
    return manifest


def rows_of(manifest: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """The rows of a manifest: the key of the section with the label of the method, and the entry of the method."""
    for section in manifest["sections"]:
        key = section_key(section)
        yield from (((key, entry["label"]), entry) for entry in section["methods"])


def joined(grids: Sequence[Mapping[str, Any]], command: str) -> dict[str, Any]:
    """One manifest of several. Of two cells for the same method and seed, the later one counts."""
    grids = of_newest_values(grids)
    sections: dict[str, dict[str, Any]] = {}
    for section in with_one_name([section for grid in grids for section in grid["sections"]]):
        known = sections.setdefault(section_key(section), {**section, "methods": []})
        merge(known, section)
    present = {method["method"] for section in sections.values() for method in section["methods"]}
    return {
        "schema": SCHEMA,
        "command": command,
        "references_missing": missing_references(present),
        "left_out": {
            name: why for grid in grids for name, why in grid.get("left_out", {}).items() if name not in present
        },
        "sections": list(sections.values()),
    }


def with_one_name(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sections, or specifications of cells, in which each encoder has one name, its latest.

    An encoder is its hash. Its name is the path or the hub id that was typed, which may be another in each grid.
    """
    names = {str(spec.get(f"{role}_hash")): spec.get(role) for spec in specs for role in ENCODERS}
    return [
        {**spec, **{role: names[str(spec[f"{role}_hash"])] for role in ENCODERS if spec.get(f"{role}_hash")}}
        for spec in specs
    ]


def of_newest_values(grids: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The grids without the cells that read other values than the last grid's of their row.

    These are values that a file or a model of the user gives (`GIVEN`). A note counts the cells, unless later ones have
    their seeds. Grids of earlier versions do not say which values their cells read: these stay.
    """
    rows = [row for grid in grids for row in rows_of(grid)]
    newest = defaultdict[tuple[str, str], dict[str, str]](dict)
    for row, entry in rows:
        newest[row].update(entry.get(GIVEN, {}))

    def others(row: tuple[str, str], entry: Mapping[str, Any]) -> set[str]:
        return {name for name, value in entry.get(GIVEN, {}).items() if newest[row][name] != value}

    stay, gone, what = (defaultdict[tuple[str, str], set[str]](set) for _ in range(3))
    for row, entry in rows:
        names = others(row, entry)
        (gone if names else stay)[row].update(entry["cells"])
        what[row] |= names
    if not gone:
        return [dict(grid) for grid in grids]
    notes = defaultdict[str, list[str]](list)
    for (key, label), seeds in gone.items():
        if count := len(seeds - stay[key, label]):
            values = join_names(sorted(map(table_in_words, what[key, label])))
            notes[key].append(
                f"{LEFT_OUT}{plural(count, 'cell')} of {label}, which read other values of {values} than its last grid"
            )

    def current(section: Mapping[str, Any]) -> dict[str, Any]:
        key = section_key(section)
        methods = [entry for entry in section["methods"] if not others((key, entry["label"]), entry)]
        return {**section, "methods": methods, "notes": [*notes[key], *section["notes"]]}

    return [{**grid, "sections": [one for one in map(current, grid["sections"]) if one["methods"]]} for grid in grids]


def table_in_words(name: str) -> str:
    """A table of `GIVEN` in words."""
    return f"column {name.removeprefix(COLUMN)}" if name.startswith(COLUMN) else f"the {name} checker"


def section_key(section: Mapping[str, Any]) -> str:
    """The id of the table that the section's cells belong to."""
    return digest({name: section.get(name) for name in SECTION})


def hidden_of(section: Mapping[str, Any], seed: int, role: str = "generated") -> str | None:
    """The id of the hidden columns of a role's rows at a seed; None where there are none."""
    hidden: str | None = section.get("records", {}).get(str(seed), {}).get(role)
    return hidden


def quality_checker(section: Mapping[str, Any], seed: int, root: Path) -> Path | None:
    """The folder of a seed's quality checker; None where the section has none."""
    name = section.get("checkers", {}).get("quality", {}).get(str(seed))
    return root / name if name else None


def first_seeds(manifest: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The manifest of a grid as if it had only the first `count` seeds of each section.

    Sections that have more get the entry `so_far` with both numbers, and a note.
    """
    return {**manifest, "sections": [section_of_seeds(section, count) for section in manifest["sections"]]}


def section_of_seeds(section: Mapping[str, Any], count: int) -> dict[str, Any]:
    """`first_seeds` of one section."""
    seeds, planned = section["seeds"][:count], len(section["seeds"])
    if planned <= count:
        return dict(section)

    kept = set(seeds)

    def cut(by_seed: Mapping[str, Any]) -> dict[str, Any]:
        return {seed: value for seed, value in by_seed.items() if int(seed) in kept}

    note = (
        f"{count} of {planned} seeds so far: this run is not finished. Its last report counts; whoever looks "
        "several times and stops at a verdict finds more false ones than 5 %"
    )
    return {
        **section,
        "seeds": seeds,
        "so_far": {"seeds": count, "of": planned},
        "title": f"{section['title']} ({count} of {planned} seeds so far)",
        "notes": [note, *section["notes"]],
        "records": cut(section.get("records", {})),
        "checkers": {name: cut(cells) for name, cells in section["checkers"].items()},
        "methods": [
            {**entry, "cells": cut(entry["cells"]), "needs": cut(entry["needs"])} for entry in section["methods"]
        ],
    }


def with_newest_test(records: Mapping[str, Any], section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The hidden columns by seed of a table that a later section continues.

    Those of the test, such as its clusters, are the later section's for all seeds: no cell's id depends on them, so
    they may have been corrected. In a cross-validation each seed has other test rows, and keeps its own.
    """
    newest = section.get("records", {})
    joined = {**records, **newest}
    if not newest or section.get("cross_validation"):
        return joined
    test = {role: one for role, one in next(iter(newest.values())).items() if role == "test"}
    return {seed: {**{role: one for role, one in of.items() if role != "test"}, **test} for seed, of in joined.items()}


def merge(known: dict[str, Any], section: Mapping[str, Any]) -> None:
    """Add a later section of the same table to `known`: its methods and seeds; other entries replace the old ones.

    Planned looks end where the table has seeds after the last one: all seeds count then, and the looks were unplanned.
    """
    known.update({name: value for name, value in section.items() if name not in GATHERED})
    known["seeds"] = sorted({*known["seeds"], *section["seeds"]})
    if known.get("looks") and known["seeds"] and known["seeds"][-1] >= known["looks"][-1]:
        del known["looks"]
    known["records"] = with_newest_test(known.get("records", {}), section)
    for name, cells in section["checkers"].items():
        known["checkers"] = {**known["checkers"], name: {**known["checkers"].get(name, {}), **cells}}
    for method in section["methods"]:
        same = [entry for entry in known["methods"] if entry["label"] == method["label"]]
        if same:
            same[0].update({**method, **{name: {**same[0][name], **method[name]} for name in ("cells", "needs")}})
        else:
            known["methods"].append(dict(method))
