"""Reads predicted classes, metrics, cost and environment of cells, once, and keeps them in `.scores.npz` of their task.

A kept score is used while the cell's seal is unchanged (its `metrics.json`, and sizes and times of its other files)
and the code that computes scores is the same. If the file is missing or cannot be written, only time is lost. Each task
of a store has a file in its folder, so that one changed cell does not write the scores of all tasks again.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.errors import UserError
from bench.hashing import files_hash
from bench.leaderboard.read import cell_files, kept
from bench.leaderboard.read.cell_files import NONE_READ, Contents, Cost, read_cost, read_environment, seal_of
from bench.leaderboard.read.examples import Examples
from bench.processes import pool
from bench.stats import metrics
from bench.stats.metrics import METRICS
from bench.store.files import json_object
from bench.store.integrity import damage
from bench.store.layout import DONE, PREDICTIONS, place_of
from bench.store.schemas import Environment, Metrics
from bench.store.tables import Kind, read_columns

FILE = ".scores.npz"
TOLERANCE = 1e-6  # between a stored metric and the same metric computed from the stored logits
KINDS: Mapping[str, Kind] = {"id": "whole", "label": "whole", "logit_*": "number"}  # of the columns of PREDICTIONS
MANY, PART = 1_000, 250  # number of new cells from which several processes score, and cells per task of a process


@dataclass(frozen=True)
class Score:
    """Test rows, predicted classes (N,), `METRICS`, cost and environment of a cell, valid while it has this seal."""

    seal: str
    rows: Examples
    predictions: IntArray
    metrics: dict[str, float]
    cost: Cost
    environment: dict[str, Any]


def read_predictions(folder: Path, name: str, contents: Contents = NONE_READ) -> tuple[Examples, FloatArray]:
    """The test rows and logits (N, C) of a cell. Raises UserError for an unreadable file or infinite or NaN logits."""
    source = contents.get(PREDICTIONS, folder / PREDICTIONS)
    columns = read_columns(source, KINDS, f"cell {name}: {PREDICTIONS}")
    names = [column for column in columns if column.startswith("logit_")]
    count = len(names)
    rows = Examples(columns["id"], columns["label"], count)
    if names != [f"logit_{k}" for k in range(count)]:
        raise UserError(f"cell {name}: the logits of {PREDICTIONS} are not those of the classes 0, 1, ...")
    if not len(rows.labels) or not 0 <= rows.labels.min() <= rows.labels.max() < count:
        raise UserError(f"cell {name}: {PREDICTIONS} has no rows, or labels that are no class")
    logits = np.stack([columns[column] for column in names]).T
    if not np.isfinite(logits).all():
        raise UserError(f"cell {name}: {PREDICTIONS} has logits that are not finite; remove the cell and run again")
    return rows, logits


def check(name: str, stored: dict[str, Any], computed: dict[str, float]) -> None:
    """Raise UserError if no metric is stored, or a stored one is not that of the stored logits."""
    if not stored.keys() & computed.keys():
        raise UserError(f"cell {name}: {DONE} has no metric; remove it and run again")
    for key, value in computed.items():
        if stored.get(key) is not None and not math.isclose(stored[key], value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise UserError(f"cell {name}: {key} is {stored[key]} in {DONE}, but {value} from {PREDICTIONS}")


@dataclass
class TaskScores:
    """The scores of one task's cells in one store, by method and id. `new`: how many are not yet in the file."""

    folder: str  # of the task
    scores: dict[str, Score] = field(default_factory=dict)
    tests: list[Examples] = field(default_factory=list)  # each set of test rows once
    new: int = 0

    def score(self, folder: str, key: str, name: str) -> Score:
        """A finished cell's score by its key, computed if it is not kept or its seal changed.

        Raises UserError, and FileNotFoundError for a cell that is not finished.
        """
        with open(f"{folder}/{DONE}", "rb", buffering=0) as file:
            stored = file.readall()
        seal = seal_of(stored, folder)
        known = self.scores.get(key)
        if known is None or known.seal != seal:
            known = self.add(key, score_cell(Path(folder), name, stored, seal))
        return known

    def add(self, key: str, score: Score) -> Score:
        """Add the new score of a cell."""
        self.scores[key] = score = replace(score, rows=self.shared(score.rows))
        self.new += 1
        return score

    def shared(self, rows: Examples) -> Examples:
        """The one object that all cells with these test rows share."""
        for test in self.tests:
            if test.same(rows):
                return test
        self.tests.append(rows)
        return rows

    def save(self) -> None:
        """Write the file if there are new scores; scores of deleted cells are dropped."""
        if self.new:
            existing = {
                key: score for key, score in self.scores.items() if os.path.exists(f"{self.folder}/{key}/{DONE}")
            }
            kept.write_arrays(Path(self.folder, FILE), version(), to_arrays(existing))


class Scores:
    """The scores of all tasks that a report reads."""

    def __init__(self) -> None:
        self.tasks: dict[str, TaskScores] = {}

    def score(self, folder: str, name: str) -> Score:
        """A finished cell's score; errors name the cell by `name`."""
        task, key = split(folder)
        return self.of_task(task).score(folder, key, name)

    def compute(self, folders: Iterable[str]) -> None:
        """Score many finished cells in several processes; does nothing for few. Errors are left to `score`."""
        places = {folder: split(folder) for folder in folders}
        absent = [folder for folder, (task, key) in places.items() if key not in self.of_task(task).scores]
        if len(absent) < MANY:
            return
        absent = [folder for folder in absent if os.path.exists(f"{folder}/{DONE}")]
        batches = [absent[start : start + PART] for start in range(0, len(absent), PART)]
        with pool(len(batches)) as processes:
            for scores in processes.map(scores_of, batches):
                for folder, score in scores:
                    task, key = places[folder]
                    self.of_task(task).add(key, score)

    def of_task(self, folder: str) -> TaskScores:
        """The scores of one task, read from its file at first use."""
        if folder not in self.tasks:
            known = from_npz(Path(folder, FILE))
            tests = {id(score.rows): score.rows for score in known.values()}
            self.tasks[folder] = TaskScores(folder, known, list(tests.values()))
        return self.tasks[folder]

    def save(self) -> None:
        """Write new scores to the files of their tasks."""
        for task in self.tasks.values():
            task.save()


def split(folder: str) -> tuple[str, str]:
    """The folder of a cell's task, and the cell's place below it."""
    root, key = place_of(folder)
    task, _, place = key.partition("/")
    return f"{root}/{task}", place


@contextlib.contextmanager
def open_scores() -> Iterator[Scores]:
    """The scores of tasks, saved at the end, also after an error."""
    scores = Scores()
    try:
        yield scores
    finally:
        scores.save()


def scores_of(folders: Sequence[str]) -> list[tuple[str, Score]]:
    """The folders and scores of cells; cells that cannot be scored are left out."""
    scores, found = TaskScores(""), list[tuple[str, Score]]()
    for folder in folders:
        with contextlib.suppress(OSError, UserError):
            found.append((folder, scores.score(folder, folder, folder)))
    return found


def score_cell(folder: Path, name: str, stored: bytes, seal: str) -> Score:
    """Read and score a cell. Raises UserError where it is damaged, or its files contradict each other."""
    contents: dict[str, bytes] = {}  # each file is read once
    if problem := damage(folder, contents=contents):
        raise UserError(f"cell {name} is damaged: {problem}; run its grid again")
    rows, logits = read_predictions(folder, name, contents)
    computed = {key: metric(rows.labels, logits) for key, metric in METRICS.items()}
    check(name, json_object(stored, folder / DONE, Metrics), {**computed, "rows": len(logits)})
    predictions = logits.argmax(axis=1).astype(np.int16)
    return Score(seal, rows, predictions, computed, read_cost(folder, contents), read_environment(folder, contents))


@functools.cache
def version() -> str:
    """Hash of the code that scores depend on."""
    return files_hash([Path(module) for module in (metrics.__file__, cell_files.__file__, __file__)])


def to_arrays(scores: dict[str, Score]) -> dict[str, Any]:
    """Scores as arrays; cells with the same test rows share them."""
    groups: dict[int, list[str]] = {}
    for key, score in scores.items():
        groups.setdefault(id(score.rows), []).append(key)
    texts: dict[bytes, int] = {}  # each environment once
    arrays: dict[str, Any] = {"groups": len(groups)}
    for place, keys in enumerate(groups.values()):
        members = [scores[key] for key in keys]
        rows = members[0].rows
        arrays |= {
            f"ids_{place}": rows.ids,
            f"labels_{place}": rows.labels,
            f"classes_{place}": rows.classes,
            f"keys_{place}": np.array(keys),
            f"seals_{place}": np.array([score.seal for score in members]),
            f"predictions_{place}": np.stack([score.predictions for score in members]),
            f"metrics_{place}": np.array([[score.metrics[name] for name in METRICS] for score in members]),
            f"costs_{place}": np.array([[score.cost.passes, score.cost.seconds] for score in members]),
            f"environments_{place}": np.array(
                [texts.setdefault(json.dumps(score.environment).encode(), len(texts)) for score in members]
            ),
        }
    arrays["environments"] = np.array([*texts], dtype=bytes)
    return arrays


def from_npz(path: Path) -> dict[str, Score]:
    """The scores in a file; none if it is missing, damaged, or written by other code."""
    arrays = kept.read_arrays(path, version())
    try:
        environments = [json_object(text, path, Environment) for text in arrays["environments"].tolist()]
        return dict(pair for place in range(int(arrays["groups"])) for pair in group(arrays, place, environments))
    except (UserError, *kept.DAMAGED):
        return {}


def group(arrays: Mapping[str, Any], place: int, environments: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Score]]:
    """The scores of all cells with one set of test rows."""
    rows = Examples(arrays[f"ids_{place}"], arrays[f"labels_{place}"], int(arrays[f"classes_{place}"]))
    names = ("keys", "seals", "predictions", "metrics", "costs", "environments")
    keys, seals, predictions, *more = (arrays[f"{name}_{place}"] for name in names)
    values = (keys.tolist(), seals.tolist(), predictions, *(one.tolist() for one in more))
    for key, seal, predicted, measured, cost, number in zip(*values, strict=True):
        own = dict(zip(METRICS, measured, strict=True))
        yield key, Score(seal, rows, predicted, own, Cost(*cost), environments[number])
