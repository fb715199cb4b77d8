"""What test logits come to, computed once per cell and kept beside the store's cells in `.scores.npz`.

A kept score counts as long as the cell's seal is the same: its `metrics.json`, and size and time of its predictions.
It is thrown away with the code that computed it. Nothing but time is lost where the file is missing or cannot be
written.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import math
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.errors import UserError
from bench.hashing import files_hash
from bench.processes import pool
from bench.stats import metrics
from bench.stats.metrics import METRICS
from bench.store.files import json_object, write_bytes
from bench.store.layout import DONE, root_of

FILE = ".scores.npz"
PREDICTIONS = "predictions.parquet"
TOLERANCE = 1e-6  # of stored metrics against the same from stored logits
MANY, PART = 1_000, 250  # new cells that are worth the start of processes, and how many one of them gets at a time


@dataclass(frozen=True)
class Examples:
    """The test rows of a section, which all of its cells share. ids and labels (N,)."""

    ids: IntArray
    labels: IntArray
    classes: int

    def same(self, other: Examples) -> bool:
        """Whether two cells were tested on the same rows and classes."""
        return self is other or (
            self.classes == other.classes
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.labels, other.labels)
        )


@dataclass(frozen=True)
class Score:
    """Test rows, predicted classes (N,) and `METRICS` of a cell with this seal."""

    seal: str
    rows: Examples
    predictions: IntArray
    metrics: dict[str, float]


def read_predictions(folder: Path, name: str) -> tuple[Examples, FloatArray]:
    """The test rows and logits (N, C) of a cell. Raises UserError where the file is not what it should be."""
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(folder / PREDICTIONS).read(use_threads=False)
        count = sum(column.startswith("logit_") for column in table.column_names)
        logits = np.stack([table[f"logit_{k}"].to_numpy() for k in range(count)], axis=1)
        rows = Examples(table["id"].to_numpy(), table["label"].to_numpy(), count)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"cell {name}: {PREDICTIONS} cannot be read: {error}; remove it and run again") from error
    if not np.isfinite(logits).all():
        raise UserError(f"cell {name}: logits that are not finite")
    return rows, logits


def check(name: str, stored: dict[str, Any], computed: dict[str, float]) -> None:
    """Raise UserError where a stored metric is not that of the stored logits, or none is stored."""
    if not stored.keys() & computed.keys():
        raise UserError(f"cell {name}: {DONE} has no metric; remove it and run again")
    for key, value in computed.items():
        if key in stored and not math.isclose(stored[key], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise UserError(f"cell {name}: {DONE} says {key} = {stored[key]}, {PREDICTIONS} {value}")


@dataclass
class Shelf:
    """The scores of one store, by the cells' folders below it; `new` counts those computed since it was read."""

    root: Path
    scores: dict[str, Score] = field(default_factory=dict)
    tests: list[Examples] = field(default_factory=list)  # one object for cells of the same test rows
    new: int = 0

    def score(self, folder: Path, name: str) -> Score:
        """A finished cell's score, computed if it is not there or its seal is another. Raises UserError."""
        key = str(folder.relative_to(self.root))
        told = (folder / DONE).read_bytes()
        try:
            seal = sealed(told, folder / PREDICTIONS)
        except OSError as error:
            raise UserError(f"cell {name}: {PREDICTIONS} cannot be read: {error}; run again") from error
        known = self.scores.get(key)
        if known is None or known.seal != seal:
            known = self.add(key, scored(folder, name, told, seal))
        return known

    def add(self, key: str, score: Score) -> Score:
        """Keep a new score."""
        self.scores[key] = score = replace(score, rows=self.one(score.rows))
        self.new += 1
        return score

    def ahead(self, folders: Sequence[Path]) -> None:
        """Score by several processes what is done and not here, where that is much. `score` tells what is wrong."""
        absent = [folder for folder in folders if str(folder.relative_to(self.root)) not in self.scores]
        if len(absent) < MANY:
            return
        absent = [folder for folder in absent if (folder / DONE).exists()]
        parts = [absent[start : start + PART] for start in range(0, len(absent), PART)]
        with pool(len(parts)) as processes:
            for found in processes.map(functools.partial(scores_of, self.root), parts):
                for key, score in found.items():
                    self.add(key, score)

    def one(self, rows: Examples) -> Examples:
        """The object that stands for these rows in this store."""
        for test in self.tests:
            if test.same(rows):
                return test
        self.tests.append(rows)
        return rows

    def save(self) -> None:
        """Write what is new; the scores of cells that are gone go too."""
        if self.new:
            kept = {key: score for key, score in self.scores.items() if (self.root / key / DONE).exists()}
            with contextlib.suppress(OSError):
                write_bytes(self.root / FILE, packed(kept))


class Scores:
    """The shelves of the stores that a report reads."""

    def __init__(self) -> None:
        self.shelves: dict[Path, Shelf] = {}

    def score(self, folder: Path, name: str) -> Score:
        """A finished cell's score; `name` is how errors call it."""
        return self.shelf(root_of(folder)).score(folder, name)

    def ahead(self, folders: Iterable[Path]) -> None:
        """Score the finished ones of many cells at once."""
        for root, part in itertools.groupby(sorted(dict.fromkeys(folders), key=root_of), key=root_of):
            self.shelf(root).ahead(list(part))

    def shelf(self, root: Path) -> Shelf:
        """The shelf of a store, with what is kept there."""
        if root not in self.shelves:
            kept = unpacked(root / FILE)
            tests = {id(score.rows): score.rows for score in kept.values()}
            self.shelves[root] = Shelf(root, kept, list(tests.values()))
        return self.shelves[root]

    def save(self) -> None:
        """Keep what is new."""
        for shelf in self.shelves.values():
            shelf.save()


@contextlib.contextmanager
def scores() -> Iterator[Scores]:
    """Scores that are kept afterwards, also those computed before an error."""
    found = Scores()
    try:
        yield found
    finally:
        found.save()


def scores_of(root: Path, folders: Sequence[Path]) -> dict[str, Score]:
    """The scores of cells of one store, without those that have none to give."""
    shelf = Shelf(root)
    for folder in folders:
        with contextlib.suppress(OSError, UserError):
            shelf.score(folder, folder.name)
    return shelf.scores


def sealed(told: bytes, predictions: Path) -> str:
    """What changes when a cell is made again or its predictions are touched."""
    there = predictions.stat()
    return hashlib.sha256(told + f"{there.st_size} {there.st_mtime_ns}".encode()).hexdigest()


def scored(folder: Path, name: str, told: bytes, seal: str) -> Score:
    """Read and score a cell. Raises UserError where its files contradict each other."""
    rows, logits = read_predictions(folder, name)
    computed = {key: metric(rows.labels, logits) for key, metric in METRICS.items()}
    check(name, json_object(told, folder / DONE), {**computed, "rows": len(logits)})
    return Score(seal, rows, logits.argmax(axis=1).astype(np.int16), computed)


@functools.cache
def version() -> str:
    """The code that scores depend on."""
    return files_hash([Path(metrics.__file__), Path(__file__)])


def packed(scores: dict[str, Score]) -> bytes:
    """Scores as one npz: those of the same test rows in the same arrays."""
    groups: dict[int, list[str]] = {}
    for key, score in scores.items():
        groups.setdefault(id(score.rows), []).append(key)
    arrays: dict[str, Any] = {"version": version(), "groups": len(groups)}
    for place, keys in enumerate(groups.values()):
        part = [scores[key] for key in keys]
        rows = part[0].rows
        arrays |= {
            f"ids_{place}": rows.ids,
            f"labels_{place}": rows.labels,
            f"classes_{place}": rows.classes,
            f"keys_{place}": np.array(keys),
            f"seals_{place}": np.array([score.seal for score in part]),
            f"predictions_{place}": np.stack([score.predictions for score in part]),
            f"metrics_{place}": np.array([[score.metrics[name] for name in METRICS] for score in part]),
        }
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def unpacked(path: Path) -> dict[str, Score]:
    """The scores in a file; none where it is not there, damaged, or another code's."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["version"]) != version():
                return {}
            return dict(pair for place in range(int(file["groups"])) for pair in group(file, place))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def group(file: Any, place: int) -> Iterator[tuple[str, Score]]:
    """The cells of one set of test rows, which they share."""
    rows = Examples(file[f"ids_{place}"], file[f"labels_{place}"], int(file[f"classes_{place}"]))
    names = ("keys", "seals", "predictions", "metrics")
    for key, seal, predictions, values in zip(*(file[f"{name}_{place}"] for name in names), strict=True):
        yield str(key), Score(str(seal), rows, predictions, dict(zip(METRICS, values.tolist(), strict=True)))
