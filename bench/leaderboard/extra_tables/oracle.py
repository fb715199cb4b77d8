"""Extra table of the task `oracle`, whose true distributions P (real) and Q (generated) are known.

It shows how well weights match the true ratio P/Q, and how far each classifier is from the Bayes classifier.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.columns import Column, mean_and_interval, number, numbers, percent
from bench.leaderboard.extra_tables.extra_table import ExtraTable
from bench.leaderboard.extra_tables.weights import of_cell, over_seeds
from bench.leaderboard.read.row_weights import RowWeights, ess, rank_correlation
from bench.leaderboard.read.scores import read_predictions
from bench.leaderboard.results import Row, Section
from bench.stats.interval import UNKNOWN, Interval
from bench.stats.metrics import log_probabilities
from bench.store import hidden_columns
from bench.store.layout import root_of
from bench.store.manifest import hidden_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Truth:
    """One cell's weights compared with P(y|x)/Q(y|x) of its rows. `log_error` is infinite for a weight of 0."""

    rank: float  # Spearman's correlation
    log_error: float  # root mean square of log w - log ratio
    joint: float  # Spearman's correlation with P(x, y)/Q(x, y)
    ess: float  # of the rows' mean weights, share
    ess_true: float


@dataclass(frozen=True)
class OracleRow:
    """One method over its n seeds; the row of the Bayes classifier has no weights."""

    label: str
    n: int
    accuracy: float
    regret: Interval = UNKNOWN  # accuracy of Bayes minus the classifier's, in expectation over labels
    divergence: Interval = UNKNOWN  # mean KL(P(.|x) || p(.|x)), nats
    rank: float = math.nan
    log_error: float = math.nan
    joint: float = math.nan
    ess: float = math.nan
    ess_true: float = math.nan


COLUMNS: tuple[Column[OracleRow], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("oracle_accuracy", "accuracy", lambda row: percent(row.accuracy)),
    Column("oracle_regret", "lost to Bayes, points [95 %]", lambda row: mean_and_interval(row.regret)),
    Column("oracle_divergence", "KL to P, nats [95 %]", lambda row: numbers(row.divergence)),
    Column("oracle_rank", "ρ with P/Q", lambda row: number(row.rank, 2)),
    Column("oracle_error", "log error", lambda row: number(row.log_error, 2)),
    Column("oracle_joint", "ρ with joint ratio", lambda row: number(row.joint, 2)),
    Column("oracle_ess", "ESS", lambda row: number(row.ess, 2)),
    Column("oracle_ess_true", "ESS of P/Q", lambda row: number(row.ess_true, 2)),
)
READING = "\n".join(
    [
        "- This task is simulated: P is the true distribution of real rows, Q that of generated rows.",
        "- **lost to Bayes**: accuracy of the Bayes classifier of P minus that of this classifier on the test texts, "
        "expected over their labels. **KL to P**: mean Kullback-Leibler divergence of its probabilities from P(·|x).",
        "- **ρ with P/Q**: Spearman's rank correlation of a row's mean weight with the true P(y|x)/Q(y|x) of its "
        "label; Q includes label noise. **log error**: root mean square of log w − log P/Q; 0 if the weights are the "
        "ratio. **joint ratio**: P(x, y)/Q(x, y), which also corrects the distribution of texts. **ESS**: effective "
        "sample size, (Σw)²/Σw² over rows, as a share.",
    ]
)


def oracle_table(section: Section) -> ExtraTable | None:
    """The table; None where the true distributions are not known."""
    rows = [entry for row in section.rows if row.cells and (entry := oracle_row(section, row)) is not None]
    if not rows:
        return None
    first = next(iter(section.spec["records"].values()))
    root = root_of(next(cell.folder for row in section.rows for cell in row.cells.values()))
    truth = test_truth(root, first["test"])
    assert truth is not None, "rows are made only where it is known"
    bayes = OracleRow("Bayes classifier of P", 0, float(np.exp(truth).max(axis=1).mean()))
    return ExtraTable("oracle", "Compared with the true distributions", COLUMNS, [*rows, bayes], after=[READING])


def oracle_row(section: Section, row: Row) -> OracleRow | None:
    """One method; None where the true distribution of its test rows is not known."""
    distances, truths = [], []
    for seed, cell in row.cells.items():
        truth = test_truth(root_of(cell.folder), hidden_of(section.spec, seed, "test"))
        if truth is None:
            return None
        distances.append(distance(truth, cell.folder))
        weights = of_cell(section, seed, cell)
        if isinstance(weights, RowWeights) and (truth_of_cell := against_truth(weights)) is not None:
            truths.append(truth_of_cell)
    known = {name: float(np.mean([getattr(one, name) for one in truths])) for name in Truth.__annotations__ if truths}
    return OracleRow(
        label=row.label,
        n=len(distances),
        accuracy=row.accuracy.mean,
        regret=over_seeds([regret for regret, _ in distances]),
        divergence=over_seeds([divergence for _, divergence in distances], math.inf),
        **known,
    )


@functools.lru_cache(maxsize=64)
def test_truth(root: Path, hidden_id: str | None) -> FloatArray | None:
    """(N, C) log P(.|x) of test rows in order of id; None where it is not known."""
    hidden = hidden_columns.read(root, hidden_id)
    return None if hidden is None else columns_of(hidden.sort_values("id"), "log_p")


def columns_of(hidden: pd.DataFrame, name: str) -> FloatArray | None:
    """(n, C) of the columns `name_0`, `name_1`, ...; None where there are none."""
    columns = [column for column in hidden if str(column).startswith(f"{name}_")]
    return hidden[columns].to_numpy(np.float64) if columns else None


def distance(truth: FloatArray, folder: Path) -> tuple[float, float]:
    """One cell: expected accuracy lost to Bayes, and mean divergence from P in nats."""
    _, logits = read_predictions(folder, folder.name)
    posterior = np.exp(truth)
    chosen = posterior[np.arange(len(posterior)), logits.argmax(axis=1)]
    divergence = (posterior * (truth - log_probabilities(logits))).sum(axis=1)
    return float((posterior.max(axis=1) - chosen).mean()), float(divergence.mean())


def against_truth(rows: RowWeights) -> Truth | None:
    """A cell's weights compared with the true ratio; None where Q is not known in closed form."""
    if rows.hidden is None:
        return None
    log_p, log_q = columns_of(rows.hidden, "log_p"), columns_of(rows.hidden, "log_q")
    if log_p is None or log_q is None:
        return None
    at = np.arange(len(rows.ids)), rows.label
    ratio = log_p[at] - log_q[at]
    with np.errstate(divide="ignore"):
        error = np.log(rows.weight) - ratio
    ranked = np.zeros_like(ratio) if rows.constant else rows.weight
    return Truth(
        rank=rank_correlation(ranked, ratio),
        log_error=float(np.sqrt((error**2).mean())),
        joint=rank_correlation(ranked, ratio + rows.hidden["log_x"].to_numpy()),
        ess=ess(rows.weight),
        ess_true=ess(np.exp(ratio)),
    )
