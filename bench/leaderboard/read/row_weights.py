"""Weights under a lens: what the effective weights of a cell look like, which rows get them, and what they know.

Everything is computed from what cells store; no method has a branch of its own. A row's weight is the mean over its
visits during training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.errors import UserError
from bench.store import hidden_columns

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class RowWeights:
    """The n generated rows that a cell visited, by id, and its V visits in the order of training.

    NaN stands for what is not stored; `wrong` and `repeated` are None unless something is known and some rows are.
    """

    ids: IntArray  # (n,)
    weight: FloatArray  # (n,) mean over the row's visits
    visits: FloatArray  # (V,)
    label: IntArray  # (n,) the given label, -1 where it is not stored
    quality: FloatArray  # (n,) P'(y|x) of the given label by the quality checker
    model: FloatArray  # (n,) p(y|x) of the given label by the trained model
    hidden: pd.DataFrame | None  # of the rows, in their order
    wrong: BoolArray | None  # (n,) the given label is known to be wrong
    repeated: BoolArray | None  # (n,) the text is there more than once, as a row or as its duplicate

    @property
    def constant(self) -> bool:
        """Whether all rows have one weight, so that there is nothing to rank."""
        return bool(np.ptp(self.weight) <= 1e-6 * np.abs(self.weight).max())


@dataclass(frozen=True)
class Absence:
    """Why a cell has no weights to look at."""

    why: str


def read(folder: Path, root: Path, record_id: str | None, quality: Path | None) -> RowWeights | Absence:
    """The weights of a finished cell; `record_id` and `quality` (a cell's folder) say more of the rows, if given."""
    import pandas as pd

    try:
        visits = pd.read_parquet(folder / "weights.parquet")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / 'weights.parquet'} cannot be read: {error}; remove it and run again") from error
    visits = visits[visits["role"] == "generated"]
    if visits.empty:
        return Absence("trains on no generated row")
    visits = visits[visits["weight"].notna()]
    if visits.empty:
        return Absence("no effective weight: its loss is not a function of the label's probability alone")
    mean = visits.groupby("id")["weight"].mean()
    ids = mean.index.to_numpy()
    hidden = hidden_columns.read(root, record_id)
    hidden = None if hidden is None else hidden.set_index("id").reindex(ids)
    label = np.full(len(ids), -1) if hidden is None else hidden["label"].to_numpy()
    origin = origins(ids, hidden)
    return RowWeights(
        ids=ids,
        weight=mean.to_numpy(np.float64),
        visits=visits["weight"].to_numpy(np.float64),
        label=label,
        quality=given_probability(quality, origin, label),
        model=given_probability(folder, origin, label),
        hidden=hidden,
        wrong=some(hidden, "label_clean", lambda clean: clean != label),
        repeated=some(hidden, "copy_of", lambda copy_of: (copy_of >= 0) | np.isin(ids, copy_of)),
    )


def origins(ids: IntArray, hidden: pd.DataFrame | None) -> IntArray:
    """(n,) ids under which the rows' texts are scored: those of the copied rows for duplicates."""
    copy_of = np.full(len(ids), -1) if hidden is None or "copy_of" not in hidden else hidden["copy_of"].to_numpy()
    return np.where(copy_of >= 0, copy_of, ids)


def some(hidden: pd.DataFrame | None, column: str, mark: Any) -> BoolArray | None:
    """(n,) which rows a recorded column marks; None where it is not recorded or marks none or all of them."""
    if hidden is None or column not in hidden:
        return None
    marked = np.asarray(mark(hidden[column].to_numpy()), dtype=np.bool_)
    return marked if 0 < marked.sum() < len(marked) else None


def given_probability(folder: Path | None, origin: IntArray, label: IntArray) -> FloatArray:
    """(n,) probability of the given labels by the final scores of a cell, NaN where there are none."""
    import pandas as pd

    path = None if folder is None else folder / "train_scores.parquet"
    if path is None or not path.exists() or (label < 0).any():
        return np.full(len(origin), np.nan)
    scores = pd.read_parquet(path).set_index("id").reindex(origin).to_numpy(np.float64)
    return np.asarray(np.exp(scores[np.arange(len(origin)), label]))


def ess(weight: FloatArray) -> float:
    """Effective sample size (sum w)^2 / sum w^2 as a share of the number of weights."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares / len(weight) if squares > 0 else 0.0


def auroc(score: FloatArray, positive: BoolArray) -> float:
    """Chance that a positive row scores higher than a negative one, ties counted as half (Mann and Whitney)."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    rank = float(rankdata(score)[positive].sum())
    return (rank - count * (count + 1) / 2) / (count * (len(score) - count))


def rank_correlation(a: FloatArray, b: FloatArray) -> float:
    """Spearman's rank correlation over the rows where both are known; NaN where one of them is constant."""
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
    """AUROC of a low weight for marked rows; NaN where nothing is marked, or the weights are all the same."""
    return float("nan") if positive is None or rows.constant else auroc(-rows.weight, positive)


def thirds(visits: FloatArray) -> list[FloatArray]:
    """The visits of the first, the middle and the last third of training."""
    return np.array_split(visits, 3)
