"""Stable, nested, stratified draws: which rows are taken depends on their text, not on their place in the file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import DataError
from tasks.rows import Rows
from tasks.spec import TaskSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.rows import Rows
    from tasks.spec import TaskSpec


def draw(spec: TaskSpec, rows: Rows, seed: int | str, size: int, what: str, minimum: int) -> NDArray[np.int64]:
    """Positions (size,) of the rows drawn, ascending. `what` opens the message of an error.

    Raises `DataError` if a class gets fewer than `minimum` rows (or than it has, if that is less).
    """
    if size < 1:
        raise DataError(f"{what} is not possible: at least 1 row")
    order = draw_order(spec.name, rows, seed)
    # Where each class has its `minimum`-th row in the order: a draw must reach beyond all of them.
    places = [np.flatnonzero(rows.labels[order] == label)[:minimum] for label in np.unique(rows.labels)]
    needed = int(max(place[-1] for place in places)) + 1
    if size < needed:
        raise DataError(f"{what} is too small for {minimum} rows of each class at the natural shares; least: {needed}")
    return np.sort(order[:size])


def draw_order(task: str, rows: Rows, seed: int | str) -> NDArray[np.int64]:
    """Positions (n,) in the order in which they are drawn: the first k are the draw of size k.

    Within a class the rows are ranked by hash. Row r of a class of n_c rows stands at (r + 1/2) / n_c of the order
    (Sainte-Lague). That keeps every prefix within rounding of the natural shares, as the largest remainder would,
    but with the largest remainder a class can lose a seat when the size grows, and draws would not be nested.
    """
    hashes = [_rank_hash(task, seed, key) for key in rows.keys]
    by_hash = np.array(sorted(range(len(rows)), key=hashes.__getitem__), dtype=np.int64)  # stable: ties by position
    standing = np.empty(len(rows))
    for label in np.unique(rows.labels):
        members = by_hash[rows.labels[by_hash] == label]
        standing[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((rows.labels, standing))


def folds(task: str, rows: Rows, seed: int | str, count: int) -> NDArray[np.int64]:
    """(n,) the fold of each row, 0 to `count` - 1: of nearly equal sizes and label shares, decided by the rows' texts.

    Rows of the same text are in one fold, whatever their labels: a text that was trained on is no held-out text.
    """
    order = draw_order(task, rows, f"folds {seed}")
    fold: dict[str, int] = {}
    for i in order[np.argsort(rows.labels[order], kind="stable")]:  # class after class, so that each is dealt evenly
        fold.setdefault(rows.keys[i], len(fold) % count)
    return np.array([fold[key] for key in rows.keys], dtype=np.int64)


def _rank_hash(task: str, seed: int | str, key: str) -> bytes:
    # A line end cannot occur in a task's name or in a normalised text, so the parts cannot run into each other.
    return hashlib.sha256(f"{task}\n{seed}\n{key}".encode()).digest()


# The seed of the draws that no seed of a run may change.
TEST_SEED = "test"
