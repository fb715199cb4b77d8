"""Reads a cell for the report: its predictions, metrics, cost and environment, or why it has no result."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import IntArray
from bench.errors import UserError
from bench.leaderboard.read.cell_files import Cost, read_cost
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.read.scores import Score, Scores
from bench.store.folders import failure


@dataclass(frozen=True)
class Cell:
    """A finished cell: predicted classes (N,), metrics, cost without and with the precomputed tables it needs.

    In a cross-validation the prediction is -1 for rows that the cell does not test.
    """

    predictions: IntArray
    metrics: Mapping[str, float]
    own: Cost
    standalone: Cost
    environment: dict[str, Any]
    folder: Path
    seal: str  # changes when one of its files does

    @property
    def accuracy(self) -> float:
        """Share of test rows that are classified correctly."""
        return self.metrics["accuracy"]

    @property
    def tested(self) -> int:
        """How many rows it tests."""
        return int(np.count_nonzero(self.predictions >= 0))


@dataclass(frozen=True)
class Absent:
    """A cell without a result: `failed` with its cause, or missing, perhaps because something it needs failed."""

    failed: bool
    cause: str = field(default="")


def in_folds(score: Score, rows: Examples) -> IntArray | None:
    """(N,) the predictions of a cell that tests some of the rows, -1 for the others; None if it tests other rows."""
    place = {identity: k for k, identity in enumerate(rows.ids.tolist())}
    known = [place.get(identity, -1) for identity in score.rows.ids.tolist()]
    if -1 in known or score.rows.classes != rows.classes or (rows.labels[known] != score.rows.labels).any():
        return None
    predictions = np.full(len(rows.ids), -1)
    predictions[known] = score.predictions
    return predictions


class Reader:
    """Reads the cells of one section; all must have the test rows of the first one."""

    def __init__(self, store: Path, scores: Scores, folded: Mapping[str, Any] | None = None) -> None:
        """`folded`: the entry of the manifest with all rows of a cross-validation, of which each cell tests some."""
        self.store = store
        self.scores = scores
        self.folded = folded is not None
        self.rows: Examples | None = None
        if folded is not None:
            ids, labels = (np.array(folded[name], dtype=np.int64) for name in ("ids", "labels"))
            self.rows = Examples(ids, labels, folded["classes"], folds=folded["folds"])
        self.cost = functools.cache(lambda need: read_cost(store / need))  # many cells need the same checkers

    def read(self, name: str, needs: list[str]) -> Cell | Absent:
        """The cell in the folder `name`. `needs`: folders of its precomputed tables. Raises UserError (see `done`).

        A damaged cell is absent: the next run computes it again.
        """
        try:
            score = self.scores.score(os.path.join(self.store, name), name)
        except UserError as error:
            return Absent(failed=False, cause=str(error))
        except FileNotFoundError:
            pass
        else:
            return self.done(name, needs, score)
        try:
            return self.absent(self.store / name, needs)
        except UserError as error:  # a damaged error.json
            return Absent(failed=False, cause=str(error))

    def absent(self, folder: Path, needs: list[str]) -> Absent:
        """A cell that is not finished."""
        if cause := failure(folder):
            return Absent(failed=True, cause=cause)
        blocked = [f"it needs {need}, which failed: {cause}" for need in needs if (cause := failure(self.store / need))]
        return Absent(failed=False, cause="; ".join(blocked))

    def done(self, name: str, needs: list[str], score: Score) -> Cell:
        """A finished cell. Raises UserError if its test rows are not those of the section."""
        if self.rows is None:
            self.rows = score.rows
        predictions = in_folds(score, self.rows) if self.folded else score.predictions
        if predictions is None or not (self.folded or score.rows.same(self.rows)):
            raise UserError(
                f"cell {name}: its test rows are not those of the other cells of its section; run its grid again with "
                "--force"
            )
        return Cell(
            predictions=predictions,
            metrics=score.metrics,
            own=score.cost,
            standalone=sum((self.cost(need) for need in dict.fromkeys(needs)), score.cost),
            environment=score.environment,
            folder=self.store / name,
            seal=score.seal,
        )
