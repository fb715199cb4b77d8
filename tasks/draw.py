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


def draw(
    task: str, rows: Rows, seed: int | str, size: int, what: str, minimum: int, remedy: str = ""
) -> NDArray[np.int64]:
    """Positions (size,) of the rows drawn, ascending. `task` is the task's name; `what` begins error messages.

    `remedy` ends the message on a size that is too small: the option that takes another one, with {} for the least.

    Raises `DataError` if a class gets fewer than `minimum` rows (or than it has, if that is less).
    """
    if size < 1:
        raise DataError(f"{what} is not possible; at least 1 row is needed{remedy.format(1)}")
    order = draw_order(task, rows, seed)
    # Where each class has its `minimum`-th row in the order: a draw must reach beyond all of them.
    in_order = rows.labels[order]
    places = {int(label): np.flatnonzero(in_order == label)[:minimum][-1] for label in np.unique(in_order)}
    last = max(places, key=places.__getitem__)
    if size <= places[last]:
        each, needed = "1 row" if minimum == 1 else f"{minimum} rows", int(places[last]) + 1
        rarest = f"because a class has {(in_order == last).sum():,} of {len(rows):,} rows"
        raise DataError(
            f"{what} is too small for {each} of each class at the natural class shares; least: {needed}, {rarest}"
            f"{remedy.format(needed)}"
        )
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


def cluster_folds(task: str, rows: Rows, seed: int | str, count: int, clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the fold of each row, 0 to `count` - 1, with the rows of a cluster (n,) in one fold.

    Label shares and sizes are as equal as clusters allow (scikit-learn's StratifiedGroupKFold on the rows in the order
    of draws, so that the order of the file does not matter).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    order = draw_order(task, rows, f"folds {seed}")
    _, first, codes = np.unique(clusters[order], return_index=True, return_inverse=True)
    in_order = np.argsort(np.argsort(first))[codes]  # clusters numbered by their first row, since ties go by number
    fold = np.empty(len(rows), dtype=np.int64)
    parts = StratifiedGroupKFold(count).split(np.zeros(len(rows)), rows.labels[order], in_order)
    for number, (_, tested) in enumerate(parts):
        fold[order[tested]] = number
    return fold


def draw_together(
    task: str, rows: Rows, seed: int | str, size: int, what: str, clusters: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """Positions, ascending, of the rows drawn, of whole clusters (n,): at least `size`. None: every row is its own.

    `what` begins error messages. Raises `DataError` if no row is left, or no row of a class is drawn.
    """
    if clusters is None:
        return draw(task, rows, seed, size, what, minimum=1)
    order = draw_order(task, rows, seed)
    names, first, counts = np.unique(clusters[order], return_index=True, return_counts=True)
    by_first = np.argsort(first)
    needed = int(np.searchsorted(np.cumsum(counts[by_first]), size)) + 1
    drawn = np.flatnonzero(np.isin(clusters, names[by_first[:needed]]))
    if len(drawn) == len(rows):
        raise DataError(
            f"{what} leaves no real row, because rows of a cluster stay together; give --test FILE, or rows of more "
            "clusters"
        )
    return drawn


def _rank_hash(task: str, seed: int | str, key: str) -> bytes:
    # A line end cannot occur in a task's name or in a normalised text, so the parts cannot run into each other.
    return hashlib.sha256(f"{task}\n{seed}\n{key}".encode()).digest()
