"""Extra table of a section: distribution of each method's effective weights, and how well they find wrong labels."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.leaderboard.columns import NOTHING, Column, mean_and_interval, number
from bench.leaderboard.extra_tables.extra_table import ExtraTable
from bench.leaderboard.read.cells import Cell
from bench.leaderboard.read.row_weights import Absence, RowWeights
from bench.leaderboard.read.weight_facts import Source, WeightFacts, facts_of, read
from bench.leaderboard.results import Row, Section
from bench.stats.interval import UNKNOWN, Interval, t_interval
from bench.store.layout import WEIGHTS
from bench.store.manifest import hidden_of, quality_checker
from tasks.errors import plural


@dataclass(frozen=True)
class WeightRow:
    """The weights of one method, mean over its n seeds. NaN: not known; `why`: the reason if there are no weights."""

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
    repeated: Interval = UNKNOWN  # ... for rows whose text occurs more than once
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
    Column("weight_wrong", "AUROC wrong labels [95 %]", lambda row: mean_and_interval(row.wrong)),
    Column("weight_repeated", "AUROC duplicates [95 %]", lambda row: mean_and_interval(row.repeated)),
    Column("weight_quality", "ρ with P'", lambda row: number(row.quality, 2)),
    Column("weight_model", "ρ with p", lambda row: number(row.model, 2)),
)

READING = (
    "- **weights**: how much a generated row counts when it is visited in training: its effective weight on "
    "cross-entropy, −d(loss)/d(log p). Mean, 5 % quantile, median, 95 % quantile and maximum over visits; mean over "
    "seeds, except the maximum.",
    "- **ESS**: effective sample size, (Σw)²/Σw² as a share of the visits, in the first and last third of training.",
    "- **ρ**: Spearman's rank correlation of a row's mean weight with the probability of its label: P'(y|x) by the "
    "quality checker, p(y|x) by the trained model itself.",
)
READING_AUROC = (
    "- **AUROC**: probability in per cent that a row with a wrong label (or a text that occurs more than once) has a "
    "lower mean weight than another row; 50 is chance. No method sees which rows these are. The interval is for new "
    "seeds. Where the same rows are wrong at all seeds (a column `clean_label`), it is for these rows alone: of "
    "weights that know nothing of them but agree between seeds (correlation 0.9), 75 % of 400 intervals excluded 50."
)


UNSCORED = (
    "- ρ with p is not known in {unscored} of {cells}, which have no final scores of generated rows (--final-scores "
    "checkers)."
)


def weight_table(section: Section) -> ExtraTable | None:
    """The table; None where no cell has stored weights."""
    sources = [(row.label, [source_of(section, *cell) for cell in weighted(row)]) for row in section.rows]
    known = facts_of([source for _, own in sources for source in own])
    facts = [(label, [known[source] for source in own]) for label, own in sources if own]
    rows = [weight_row(label, own) for label, own in facts]
    if all(row.why for row in rows):
        return None
    empty = {"wrong": [row.wrong.mean for row in rows], "repeated": [row.repeated.mean for row in rows]}
    absent = {f"weight_{name}" for name, values in empty.items() if np.isnan(values).all()}
    columns = [column for column in COLUMNS if column.key not in absent]
    reading = [*READING, *([READING_AUROC] if len(absent) < len(empty) else [])]
    cells = [one for _, own in facts for one in own if not one.why]
    if unscored := sum(bool(one.unscored) for one in cells):
        reading.append(UNSCORED.format(unscored=unscored, cells=plural(len(cells), "cell")))
    return ExtraTable("weights", "Weights", columns, rows, after=["\n".join(reading)])


def of_row(section: Section, row: Row) -> dict[int, RowWeights | Absence]:
    """The weights of a method by seed, for the finished cells that stored them."""
    return {seed: read(source_of(section, seed, cell)) for seed, cell in weighted(row)}


def weighted(row: Row) -> list[tuple[int, Cell]]:
    """The finished cells of a method that stored weights, with their seeds."""
    return [(seed, cell) for seed, cell in row.cells.items() if stored(cell)]


def stored(cell: Cell) -> bool:
    """Whether a cell has a file of weights."""
    return os.path.exists(f"{cell.folder}/{WEIGHTS}")


def of_cell(section: Section, seed: int, cell: Cell) -> RowWeights | Absence | None:
    """The weights of one cell, with the hidden columns of its rows and the scores of its quality checker."""
    return read(source_of(section, seed, cell)) if stored(cell) else None


def source_of(section: Section, seed: int, cell: Cell) -> Source:
    """What the weights of a cell are read from."""
    hidden_id, quality = hidden_of(section.spec, seed), quality_checker(section.spec, seed, section.root)
    return Source.sealed(cell.folder, cell.seal, hidden_id, quality)


def weight_row(label: str, facts: Sequence[WeightFacts]) -> WeightRow:
    """The row of one method."""
    cells = [one for one in facts if not one.why]
    if not cells:
        return WeightRow(label, 0, why=facts[0].why)
    quantiles = np.mean([(one.low, one.median, one.high) for one in cells], axis=0)
    sizes = np.mean([(one.ess_first, one.ess_last) for one in cells], axis=0)
    return WeightRow(
        label=label,
        n=len(cells),
        mean=float(np.mean([one.mean for one in cells])),
        low=float(quantiles[0]),
        median=float(quantiles[1]),
        high=float(quantiles[2]),
        largest=max(one.largest for one in cells),
        ess_first=float(sizes[0]),
        ess_last=float(sizes[1]),
        wrong=over_seeds([one.wrong for one in cells]),
        repeated=over_seeds([one.repeated for one in cells]),
        quality=float(np.mean([one.quality for one in cells])),
        model=float(np.mean([one.model for one in cells])),
    )


def over_seeds(values: Sequence[float], most: float = 1.0) -> Interval:
    """Mean and interval over seeds, cut at 0 and at the largest possible value; NaN if a seed has no value."""
    return t_interval([] if np.isnan(values).any() else values, bounds=(0.0, most))


def span(first: float, last: float) -> str:
    """`0.91 → 0.74`."""
    return NOTHING if math.isnan(first) else f"{number(first, 2)} → {number(last, 2)}"
