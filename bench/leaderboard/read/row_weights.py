"""Reads the effective weights of a cell's generated rows, and measures how they relate to the rows.

A row's weight is the mean over its visits during training. All of it is computed from the files of a cell, for every
method in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.errors import UserError
from bench.store import hidden_columns
from bench.store.layout import TRAIN_SCORES, WEIGHTS
from bench.store.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class RowWeights:
    """The n generated rows that a cell visited, by id, and its V visits in the order of training.

    NaN: not stored. `wrong` and `repeated` are None if it is not known which rows are, or if none or all are.
    """

    ids: IntArray  # (n,)
    weight: FloatArray  # (n,) mean over the row's visits
    visits: FloatArray  # (V,)
    label: IntArray  # (n,) the row's label, -1 where it is not stored
    quality: FloatArray  # (n,) P'(y|x) of the row's label by the quality checker
    model: FloatArray  # (n,) p(y|x) of the row's label by the trained model
    hidden: pd.DataFrame | None  # hidden columns of the rows, in their order
    wrong: BoolArray | None  # (n,) the row's label is known to be wrong
    repeated: BoolArray | None  # (n,) the text occurs more than once: the row is a duplicate or has one

    @property
    def constant(self) -> bool:
        """Whether all rows have the same weight, so that they cannot be ranked."""
        return bool(np.ptp(self.weight) <= 1e-6 * np.abs(self.weight).max())


@dataclass(frozen=True)
class Absence:
    """Why a cell has no weights."""

    why: str


def read(folder: Path, root: Path, hidden_id: str | None, quality: Path | None) -> RowWeights | Absence:
    """The weights of a finished cell.

    `hidden_id`: the hidden columns of its rows in the store `root`. `quality`: the folder of its quality checker.
    Raises UserError for an unreadable file.
    """
    visits = visits_of(folder)
    if visits.empty:
        return Absence("trains on no generated row")
    visits = effective(visits)
    if visits.empty:
        return Absence("no effective weight: its loss is not a function of the label's probability alone")
    mean = visits.groupby("id")["weight"].mean()
    ids = mean.index.to_numpy()
    hidden = hidden_columns.read(root, hidden_id)
    hidden = None if hidden is None else hidden.set_index("id").reindex(ids)
    label = np.full(len(ids), -1) if hidden is None else hidden["label"].to_numpy()
    origin = origins(ids, hidden)
    return RowWeights(
        ids=ids,
        weight=mean.to_numpy(np.float64),
        visits=visits["weight"].to_numpy(np.float64),
        label=label,
        quality=label_probability(quality, origin, label),
        model=label_probability(folder, origin, label),
        hidden=hidden,
        wrong=some(hidden, "label_clean", lambda clean: clean != label),
        repeated=some(hidden, "copy_of", lambda copy_of: (copy_of >= 0) | np.isin(ids, copy_of)),
    )


def visits_of(folder: Path) -> pd.DataFrame:
    """The visits of generated rows in the training of a cell, with their weights."""
    visits = read_table(folder / WEIGHTS, {"id": "whole", "role": "text", "weight": "number"})
    return visits[visits["role"] == "generated"]


def effective(visits: pd.DataFrame) -> pd.DataFrame:
    """The visits with an effective weight: none where a cell knows only which rows it left out, with weight 0."""
    known = visits[visits["weight"].notna()]
    return known[:0] if len(known) < len(visits) and not known["weight"].any() else known


def origins(ids: IntArray, hidden: pd.DataFrame | None) -> IntArray:
    """(n,) ids under which the rows' texts are scored; a duplicate is scored under the row that it copies."""
    copy_of = np.full(len(ids), -1) if hidden is None or "copy_of" not in hidden else hidden["copy_of"].to_numpy()
    return np.where(copy_of >= 0, copy_of, ids)


def some(hidden: pd.DataFrame | None, column: str, mark: Any) -> BoolArray | None:
    """(n,) which rows a hidden column marks; None if there is no such column, or it marks none or all of them."""
    if hidden is None or column not in hidden:
        return None
    marked = np.asarray(mark(hidden[column].to_numpy()), dtype=np.bool_)
    return marked if 0 < marked.sum() < len(marked) else None


def label_probability(folder: Path | None, origin: IntArray, label: IntArray) -> FloatArray:
    """(n,) stored probability of each row's label, NaN where it is not known. Raises UserError for a label without."""
    found = None if (label < 0).any() else final_probabilities(folder, origin)
    if found is None:
        return np.full(len(origin), np.nan)
    if not label.max() < found.shape[1]:
        raise UserError(f"{folder} has scores of {found.shape[1]} classes, and rows have label {label.max()}")
    return np.asarray(found[np.arange(len(origin)), label])


def final_probabilities(folder: Path | None, origin: IntArray) -> FloatArray | None:
    """(n, C) the final probabilities that a training stored of rows, NaN for a row without; None if it stored none."""
    path = None if folder is None else folder / TRAIN_SCORES
    if path is None or not path.exists():
        return None
    scores = read_table(path, {"id": "whole", "logp_*?": "number"}).drop_duplicates("id").set_index("id")
    if not scores.shape[1]:  # --final-scores checkers
        return None
    return np.asarray(np.exp(scores.reindex(origin).to_numpy(np.float64)))


def ess(weight: FloatArray) -> float:
    """Effective sample size (sum w)^2 / sum w^2, as a share of the number of weights."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares / len(weight) if squares > 0 else 0.0


def auroc(score: FloatArray, positive: BoolArray) -> float:
    """Probability that a positive row scores higher than a negative one; ties count half (Mann and Whitney, 1947)."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    rank = float(rankdata(score)[positive].sum())
    return (rank - count * (count + 1) / 2) / (count * (len(score) - count))


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's rank correlation over the rows where both are known; NaN if one of them is constant."""
    from scipy.stats import rankdata

    known = ~(np.isnan(a) | np.isnan(b))
    if known.sum() < 2 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a[known]), rankdata(b[known]))[0, 1])


def agreement(a: RowWeights, b: RowWeights) -> float:
    """Rank correlation of two cells' weights over the rows that both visited."""
    if a.constant or b.constant:
        return float("nan")
    _, at_a, at_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    return rank_correlation(a.weight[at_a], b.weight[at_b])


def finds(rows: RowWeights, positive: BoolArray | None) -> float:
    """AUROC of a low weight for marked rows; NaN if no row is marked, or all weights are the same."""
    return float("nan") if positive is None or rows.constant else auroc(-rows.weight, positive)


def thirds(visits: FloatArray) -> list[FloatArray]:
    """The visits of the first, the middle and the last third of training."""
    return np.array_split(visits, 3)
