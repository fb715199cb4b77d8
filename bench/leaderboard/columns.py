"""The columns of the leaderboard, in order. A new column is one entry in `COLUMNS`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from bench.leaderboard.overall import Gain, OverallRow
from bench.leaderboard.table import Row
from bench.stats.crossed import Comparison
from bench.stats.interval import Interval

NOTHING = "–"


T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column: `render` makes plain text of a row, which each format escapes for itself.

    `printed`: also in the table for papers, which has less room.
    """

    key: str
    title: str
    render: Callable[[T], str]
    numeric: bool = True
    printed: bool = True


def percent(value: float) -> str:
    """A share in per cent."""
    return NOTHING if math.isnan(value) else f"{100 * value:.1f}"


def signed(value: float) -> str:
    """A difference in points, with its sign unless it rounds to zero."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def mean_and_interval(interval: Interval) -> str:
    """`84.3 [82.1, 86.5]`, without the brackets for one seed."""
    if math.isnan(interval.low):
        return percent(interval.mean)
    return f"{percent(interval.mean)} [{percent(interval.low)}, {percent(interval.high)}]"


def difference(row: Row, metric: Literal["accuracy", "macro_f1"]) -> str:
    """`+1.2 [-0.3, +2.7]`."""
    return gain(getattr(row.paired, metric, None))


def gain(found: Comparison | Gain | None) -> str:
    """A difference with its interval."""
    return NOTHING if found is None else f"{signed(found.difference)} [{signed(found.low)}, {signed(found.high)}]"


def p_value(row: Row) -> str:
    """The p that the verdict rests on; † marks one that is not corrected."""
    paired = row.paired
    if paired is None or paired.accuracy is None or paired.withheld:
        return NOTHING
    exploratory = paired.family == "exploratory"
    p = paired.accuracy.p if exploratory else paired.p_corrected
    return ("< 0.001" if p < 0.001 else f"{p:.3f}") + (" †" if exploratory else "")


def number(value: float, digits: int) -> str:
    """A number of fixed digits."""
    return NOTHING if math.isnan(value) else f"{value:.{digits}f}"


def real_rows(row: Row) -> str:
    """How many human-labelled rows the method sees, and what for."""
    return "0" if row.spec["real_use"] == "none" else f"{row.spec['real_rows']} ({row.spec['real_use']})"


def best(row: Row) -> str:
    """Whether the method may be the best of its section."""
    return NOTHING if row.best is None else "yes" if row.best else "no"


COLUMNS: tuple[Column[Row], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("cells", "cells", lambda row: f"{len(row.cells)}/{len(row.seeds)}"),
    Column("accuracy", "accuracy [95 %]", lambda row: mean_and_interval(row.accuracy)),
    Column("sd", "sd", lambda row: percent(row.accuracy.sd), printed=False),
    Column("macro_f1", "macro-F1 [95 %]", lambda row: mean_and_interval(row.macro_f1)),
    Column("difference", "Δ accuracy [95 %]", lambda row: difference(row, "accuracy")),
    Column("p", "p", p_value),
    Column("verdict", "verdict", lambda row: row.paired.verdict.text if row.paired else NOTHING, numeric=False),
    Column("best", "best group", best, numeric=False),
    Column("macro_f1_difference", "Δ macro-F1 [95 %]", lambda row: difference(row, "macro_f1"), printed=False),
    Column("real_rows", "real rows (use)", real_rows, numeric=False),
    Column("passes", "passes", lambda row: number(row.costs.passes, 2)),
    Column("passes_standalone", "passes, standalone", lambda row: number(row.costs.passes_standalone, 2)),
    Column("seconds", "s", lambda row: number(row.costs.seconds, 1), printed=False),
    Column(
        "seconds_standalone",
        "s, standalone",
        lambda row: number(row.costs.seconds_standalone, 1),
        printed=False,
    ),
)

OVERALL: tuple[Column[OverallRow], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("rank", "mean rank", lambda row: f"{row.rank:.2f}"),
    Column("accuracy", "mean accuracy", lambda row: percent(row.accuracy)),
    Column("difference", "mean Δ accuracy [95 %]", lambda row: gain(row.gain)),
    Column("wins", "better", lambda row: str(row.wins)),
    Column("ties", "neither", lambda row: str(row.ties)),
    Column("losses", "worse", lambda row: str(row.losses)),
)
