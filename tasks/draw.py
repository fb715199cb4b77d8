"""Stable, nested, stratified draws of rows.

Which rows are drawn depends on the task's name, a seed and the rows' texts, not on the order of the file. A draw of
size k contains every smaller draw of the same seed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import DataError
from tasks.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEST_SEED = "test"  # in place of a run's seed for draws that must be the same in every run


def draw(task: str, rows: Rows, seed: int | str, size: int, what: str, minimum: int) -> NDArray[np.int64]:
    """Positions (size,) of the rows drawn, ascending. `task` is the task's name; `what` begins error messages.

    Raises `DataError` if a class gets fewer than `minimum` rows (or than it has, if that is less).
    """
    if size < 1:
        raise DataError(f"{what} is not possible; at least 1 row is needed")
    order = draw_order(task, rows, seed)
    # Where each class has its `minimum`-th row in the order: a draw must reach beyond all of them.
    places = [np.flatnonzero(rows.labels[order] == label)[:minimum] for label in np.unique(rows.labels)]
    needed = int(max(place[-1] for place in places)) + 1
    if size < needed:
        each = "1 row" if minimum == 1 else f"{minimum} rows"
        raise DataError(f"{what} is too small for {each} of each class at the natural class shares; least: {needed}")
    return np.sort(order[:size])


def draw_order(task: str, rows: Rows, seed: int | str) -> NDArray[np.int64]:
    """Positions (n,) in the order in which rows are drawn: the first k are the draw of size k.

    Within a class, rows are ranked by hash. Row r of a class of n_c rows has the key (r + 1/2) / n_c, and the order
    sorts by that key (Sainte-Lague). Every prefix is then within rounding of the natural class shares. The largest
    remainder method would do as well, but with it a class can lose a seat when the size grows, so that draws would
    not be nested.
    """
    hashes = [_rank_hash(task, seed, key) for key in rows.keys]
    by_hash = np.array(sorted(range(len(rows)), key=hashes.__getitem__), dtype=np.int64)  # stable: ties by position
    quotient = np.empty(len(rows))
    for label in np.unique(rows.labels):
        members = by_hash[rows.labels[by_hash] == label]
        quotient[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((rows.labels, quotient))


def folds(task: str, rows: Rows, seed: int | str, count: int) -> NDArray[np.int64]:
    """(n,) the fold of each row, 0 to `count` - 1, decided by the rows' texts.

    Folds have nearly equal sizes and label shares. Rows of the same text are in one fold, whatever their labels:
    otherwise a held-out text would also be trained on.
    """
    order = draw_order(task, rows, f"folds {seed}")
    fold: dict[str, int] = {}
    for i in order[np.argsort(rows.labels[order], kind="stable")]:  # class after class, so that each is dealt evenly
        fold.setdefault(rows.keys[i], len(fold) % count)
    return np.array([fold[key] for key in rows.keys], dtype=np.int64)


def _rank_hash(task: str, seed: int | str, key: str) -> bytes:
    # A line end cannot occur in a task's name or in a normalised text, so the parts cannot run into each other.
    return hashlib.sha256(f"{task}\n{seed}\n{key}".encode()).digest()
