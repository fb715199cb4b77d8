"""What the effective weights of a section's methods look like, and what they know."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.columns import Column, mean_and_interval, number
from bench.leaderboard.extra_tables.extra_table import ExtraTable
from bench.leaderboard.read.row_weights import Absence, RowWeights, ess, finds, rank_correlation, read, thirds
from bench.leaderboard.results import Row, Section
from bench.stats.interval import Interval, t_interval

if TYPE_CHECKING:
    from bench.arrays import FloatArray

NOTHING = "–"
UNKNOWN = t_interval([])


@dataclass(frozen=True)
class WeightRow:
    """The weights of one method, mean over its n seeds; NaN where something is not known, `why` if all of it is not."""

    label: str
    n: int
    mean: float = math.nan
    low: float = math.nan  # 5 % quantile over visits
    median: float = math.nan
    high: float = math.nan  # 95 % quantile
    largest: float = math.nan  # of all seeds
    ess_first: float = math.nan  # share, first third of training
    ess_last: float = math.nan
    wrong: Interval = UNKNOWN  # AUROC of a low weight for wrong labels
    repeated: Interval = UNKNOWN  # ... for rows whose text is there more than once
    quality: float = math.nan  # rank correlation with P'(y|x)
    model: float = math.nan  # rank correlation with the trained model's p(y|x)
    why: str = ""


COLUMNS: tuple[Column[WeightRow], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("weight_mean", "mean", lambda row: row.why or number(row.mean, 2)),
    Column("weight_low", "5 %", lambda row: number(row.low, 2)),
    Column("weight_median", "median", lambda row: number(row.median, 2)),
    Column("weight_high", "95 %", lambda row: number(row.high, 2)),
    Column("weight_largest", "max", lambda row: number(row.largest, 2)),
    Column("weight_ess", "ESS, first → last third", lambda row: span(row.ess_first, row.ess_last)),
    Column("weight_wrong", "AUROC wrong labels [95 %]", lambda row: share(row.wrong)),
    Column("weight_repeated", "AUROC duplicates [95 %]", lambda row: share(row.repeated)),
    Column("weight_quality", "ρ with P'", lambda row: number(row.quality, 2)),
    Column("weight_model", "ρ with p", lambda row: number(row.model, 2)),
)

READING = "\n".join(
    [
        "- Effective weights on cross-entropy, -d(loss)/d(log p), of generated rows as they were trained on; mean over "
        "seeds. **ESS**: effective sample size, (Σw)²/Σw² as a share of the visits.",
        "- **AUROC wrong labels, duplicates**: per cent, chance that a row whose label is known to be wrong (or whose "
        "text is there more than once) has a lower mean weight than another; 50 is chance. No method sees this record.",
        "- **ρ**: Spearman's rank correlation of a row's mean weight with the quality checker's P'(y|x) and with the "
        "trained model's own p(y|x).",
    ]
)


def weight_table(section: Section) -> ExtraTable | None:
    """The table, None where no cell has stored weights."""
    rows = [weight_row(row, found) for row in section.rows if (found := of_row(section, row))]
    if all(row.why for row in rows):
        return None
    empty = {"wrong": [row.wrong.mean for row in rows], "repeated": [row.repeated.mean for row in rows]}
    absent = {f"weight_{name}" for name, values in empty.items() if np.isnan(values).all()}
    columns = [column for column in COLUMNS if column.key not in absent]
    return ExtraTable("weights", "Weights", columns, rows, after=[READING])


def of_row(section: Section, row: Row) -> dict[int, RowWeights | Absence]:
    """By seed, the weights of a method's finished cells that stored any."""
    return {seed: of_cell(section, seed, cell.folder) for seed, cell in row.cells.items() if stored(cell.folder)}


def stored(folder: Path) -> bool:
    """Whether a cell has a file of weights."""
    return (folder / "weights.parquet").exists()


def of_cell(section: Section, seed: int, folder: Path) -> RowWeights | Absence:
    """The weights of one cell with what the section knows of its rows."""
    record = section.spec.get("records", {}).get(str(seed), {}).get("generated")
    quality = section.spec.get("checkers", {}).get("quality", {}).get(str(seed))
    stamp = (folder / "weights.parquet").stat().st_mtime_ns
    return known(folder, folder.parents[2], record, section.root / quality if quality else None, stamp)


@functools.lru_cache(maxsize=4096)  # the table and the figures of a section look at the same cells; some 70 kB each
def known(folder: Path, root: Path, record: str | None, quality: Path | None, stamp: int) -> RowWeights | Absence:
    """`bench.weights.read`, once per cell and version of its file."""
    return read(folder, root, record, quality)


def weight_row(row: Row, by_seed: dict[int, RowWeights | Absence]) -> WeightRow:
    """One method's line."""
    found = [rows for rows in by_seed.values() if isinstance(rows, RowWeights)]
    if not found:
        return WeightRow(row.label, 0, why=next(one.why for one in by_seed.values() if isinstance(one, Absence)))
    quantiles = np.mean([np.quantile(rows.visits, [0.05, 0.5, 0.95]) for rows in found], axis=0)
    sizes = np.mean([[ess(visits) for visits in thirds(rows.visits)] for rows in found], axis=0)
    return WeightRow(
        label=row.label,
        n=len(found),
        mean=float(np.mean([rows.visits.mean() for rows in found])),
        low=float(quantiles[0]),
        median=float(quantiles[1]),
        high=float(quantiles[2]),
        largest=max(float(rows.visits.max()) for rows in found),
        ess_first=float(sizes[0]),
        ess_last=float(sizes[2]),
        wrong=over_seeds([finds(rows, rows.wrong) for rows in found]),
        repeated=over_seeds([finds(rows, rows.repeated) for rows in found]),
        quality=float(np.mean([varied(rows, rows.quality) for rows in found])),
        model=float(np.mean([varied(rows, rows.model) for rows in found])),
    )


def varied(rows: RowWeights, other: FloatArray) -> float:
    """Rank correlation of the weights with something else, NaN for constant weights."""
    return math.nan if rows.constant else rank_correlation(rows.weight, other)


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean and interval, of nothing where a seed lacks its value."""
    return t_interval([] if np.isnan(values).any() else values)


def span(first: float, last: float) -> str:
    """`0.91 → 0.74`."""
    return NOTHING if math.isnan(first) else f"{number(first, 2)} → {number(last, 2)}"


def share(interval: Interval) -> str:
    """An AUROC in per cent with its interval."""
    return NOTHING if math.isnan(interval.mean) else mean_and_interval(interval)
