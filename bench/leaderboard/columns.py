"""The columns of the leaderboard, in order. A new column, in every format, is one entry in `COLUMNS`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Generic, TypeVar

from bench.leaderboard import column_values as values
from bench.leaderboard.compare.across_tasks import Gain, Overall, OverallRow
from bench.leaderboard.results import Row, Section
from bench.stats.crossed import Comparison
from bench.stats.interval import Interval
from tasks.errors import plural

NOTHING = "–"  # shown where there is no value
SHORT = 20  # characters of a short verdict

T = TypeVar("T")


class Room(IntEnum):
    """How much room a format has: TeX tables for a paper the least, the HTML page the most."""

    PAPER = 1
    TEXT = 2
    PAGE = 3


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a table.

    `render` gives the plain text of a row, which each format escapes for itself. `value`, if any, gives what JSON, CSV
    and the data frame hold under `key`. `room`: the least room that a format needs to show the column.
    """

    key: str
    title: str
    render: Callable[[T], str]
    value: Callable[[T], Any] | None = None
    numeric: bool = True
    room: Room = Room.PAPER


def visible(columns: Sequence[Column[T]], rows: Sequence[T], room: Room = Room.PAGE) -> list[Column[T]]:
    """The columns that a format has room for and that have a value in at least one row."""
    return [column for column in columns if column.room <= room and any(column.render(row) != NOTHING for row in rows)]


def percent(value: float) -> str:
    """A share in per cent."""
    return number(100 * value, 1)


def signed(value: float) -> str:
    """A difference in points, with its sign unless it rounds to zero."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def mean_and_interval(interval: Interval) -> str:
    """`84.3 [82.1, 86.5]` in per cent; for one seed without the interval."""
    if math.isnan(interval.low):
        return percent(interval.mean)
    return f"{percent(interval.mean)} [{percent(interval.low)}, {percent(interval.high)}]"


def gain(result: Comparison | Gain | None) -> str:
    """A difference with its interval, in points."""
    return NOTHING if result is None else signed_interval(result.difference, result.low, result.high)


def signed_interval(difference: float, low: float, high: float) -> str:
    """A difference with its interval, if it has one. An interval of all differences that there can be says so."""
    if math.isnan(low):
        return signed(difference)
    if low <= -1 and high >= 1:
        return f"{signed(difference)} [excludes nothing]"
    return f"{signed(difference)} [{signed(low)}, {signed(high)}]"


def p_value(p: float) -> str:
    """A p-value with three decimals."""
    return NOTHING if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def raw_p(row: Row) -> str:
    """The p-value of this comparison alone."""
    paired = row.paired
    return NOTHING if paired is None or paired.accuracy is None or paired.withheld else p_value(paired.p_alone)


def corrected_p(row: Row) -> str:
    """The p-value behind the verdict; † marks an exploratory method, whose p is not corrected."""
    if row.paired is not None and row.paired.family == "exploratory" and raw_p(row) != NOTHING:
        return "†"
    return NOTHING if row.paired is None or row.paired.withheld else p_value(row.paired.p_corrected)


def family_of(section: Section) -> str:
    """The comparisons over which a section's p-values are corrected: `Holm over 8 comparisons of this task`."""
    size = max(
        (row.paired.size for row in section.rows if row.paired and row.paired.family == "confirmatory"), default=0
    )
    if size == 0:
        return "no other core method" if any(row.spec["core"] for row in section.rows) else "no core method"
    where = "this task" if section.rules.family == "task" else "the report"
    return f"{section.rules.short} over {plural(size, 'comparison')} of {where}"


def section_columns(section: Section, room: Room = Room.PAGE) -> list[Column[Row]]:
    """All columns that a section shows."""
    return titled(section, visible(COLUMNS, section.rows, room))


def main_columns(section: Section) -> list[Column[Row]]:
    """The columns of a section's first table."""
    return titled(section, visible(MAIN, section.rows))


def titled(section: Section, columns: Sequence[Column[Row]]) -> list[Column[Row]]:
    """The columns with the section's family and the kind of its intervals in their titles."""
    words = {"family": family_of(section), "intervals": section.rules.kind_of_interval}
    return [replace(column, title=column.title.format(**words)) for column in columns]


def overall_columns(group: Overall) -> list[Column[OverallRow]]:
    """The columns of a summary over tasks that have a value, with its family in their titles."""
    family = f"{group.rules.short} over {plural(group.family, 'method')}"
    words = {"family": family, "intervals": group.rules.kind_of_interval}
    plain = " [{intervals}]" if group.sharing else ""
    shown = visible(OVERALL, group.rows)
    return [replace(column, title=column.title.removesuffix(plain).format(**words)) for column in shown]


def information(row: Row) -> str:
    """`+1.2 [-0.3, +2.7], undecided`: the method minus its within-class shuffle."""
    paired = row.information
    if paired is None:
        return NOTHING
    word = paired.verdict.word or paired.withheld
    return f"{gain(paired.shown)}, {word}" if paired.accuracy else word


def number(value: float, digits: int) -> str:
    """A number with this many decimals, and no sign before a zero."""
    return NOTHING if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"


def numbers(interval: Interval) -> str:
    """`0.523 [0.498, 0.548]`; for one seed without the interval."""
    bounds = "" if math.isnan(interval.low) else f" [{interval.low:.3f}, {interval.high:.3f}]"
    return number(interval.mean, 3) + bounds


def metric(
    key: str, name: str, render: Callable[[Interval], str] = mean_and_interval, room: Room = Room.PAPER
) -> Column[Row]:
    """The column of a test metric with its interval over seeds."""
    return Column(
        key,
        f"{name} [95 %]",
        lambda row: render(row.metrics[key]),
        lambda row: values.interval(row.metrics[key]),
        room=room,
    )


def real_rows(row: Row) -> str:
    """How many human-labelled rows the method sees and what for; ‡ if the same rows both fit and select."""
    spec = row.spec
    use = [] if spec["real_use"] == "none" else [spec["real_use"]]
    if spec.get("selection", "none") in ("seen", "fitted"):
        mark = " ‡" if spec["selection"] == "fitted" else ""
        return f"{spec['select_rows']} ({', '.join([*use, 'select'])}){mark}"
    uses = [f"{spec['real_rows']} ({use[0]})"] if use else []
    uses += [f"{spec['select_rows']} (select)"] if spec.get("selection") == "apart" else []
    return " + ".join(uses) or "0"


def best(row: Row) -> str:
    """Whether no other method of the section is shown to be better."""
    return NOTHING if row.best is None else "yes" if row.best else "no"


def tally(row: OverallRow, count: int) -> str:
    """A number of verdicts, for methods that have verdicts; † marks those that are not corrected."""
    return f"{count}{'' if row.core else ' †'}" if row.wins + row.ties + row.losses else NOTHING


def gain_p(row: OverallRow) -> str:
    """The corrected p-value of a mean gain; † marks an exploratory method, whose p is not corrected."""
    if row.gain is None or math.isnan(row.gain.p):
        return NOTHING
    return p_value(row.gain.p_corrected) if row.core else "†"


def gain_word(row: OverallRow) -> str:
    """The verdict on a mean gain."""
    return f"{row.word}{'' if row.core else ', exploratory'}" if row.word else NOTHING


def verdict_in_short(row: Row) -> str:
    """The verdict in a word or two; † marks an exploratory one, which is not corrected."""
    if row.paired is None:
        return NOTHING
    text = row.paired.verdict.word or row.paired.verdict.text
    short = text if len(text) <= SHORT else text.partition(":")[0]
    return f"{short} †" if row.paired.family == "exploratory" and row.paired.verdict.word else short


# The first table of a section, narrow enough for a phone. The second has `COLUMNS` without those shown here in full.
MAIN: tuple[Column[Row], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("accuracy", "accuracy", lambda row: percent(row.accuracy.mean)),
    Column("difference", "Δ accuracy [{intervals}]", lambda row: gain(row.shown)),
    Column("verdict", "verdict", verdict_in_short, numeric=False),
    Column("real_rows", "real rows (use)", real_rows, numeric=False),
    Column("passes_standalone", "cost", lambda row: number(row.costs.passes_standalone, 2)),
)
IN_FULL = ("difference", "real_rows", "passes_standalone")


def further(columns: Sequence[Column[Row]]) -> list[Column[Row]]:
    """The columns of the second table, of those that a format shows."""
    return [column for column in columns if column.key not in IN_FULL]


COLUMNS: tuple[Column[Row], ...] = (
    Column("label", "method", lambda row: row.label, numeric=False),
    Column("cells", "cells", lambda row: f"{len(row.cells)}/{len(row.seeds)}"),
    metric("accuracy", "accuracy"),
    Column("sd", "sd", lambda row: percent(row.accuracy.sd), room=Room.TEXT),
    metric("macro_f1", "macro-F1"),
    metric("log_loss", "log-loss", numbers, Room.PAGE),
    metric("ece", "calibration error", room=Room.PAGE),
    Column(
        "difference",
        "Δ accuracy [{intervals}]",
        lambda row: gain(row.shown),
        lambda row: values.difference(row.paired),
    ),
    Column("p", "p", raw_p),
    Column("p_corrected", "p, {family}", corrected_p),
    Column("verdict", "verdict", lambda row: row.paired.verdict.text if row.paired else NOTHING, numeric=False),
    Column("best_group", "not shown to be worse", best, lambda row: row.best, numeric=False),
    Column(
        "macro_f1_difference",
        "Δ macro-F1 [{intervals}]",
        lambda row: gain(row.paired.shown_f1 if row.paired else None),
        lambda row: values.comparison("macro_f1", row.paired),
        room=Room.TEXT,
    ),
    Column(
        "information_gain",
        "information gain [{intervals}]",
        information,
        lambda row: values.difference(row.information),
        room=Room.TEXT,
    ),
    Column("real_rows", "real rows (use)", real_rows, numeric=False),
    Column(
        "passes",
        "passes",
        lambda row: number(row.costs.passes, 2),
        lambda row: {"own": row.costs.passes, "standalone": row.costs.passes_standalone},
    ),
    Column("passes_standalone", "passes, standalone", lambda row: number(row.costs.passes_standalone, 2)),
    Column("seconds", "seconds", lambda row: number(row.costs.seconds, 1), values.seconds, room=Room.TEXT),
    Column(
        "seconds_standalone",
        "seconds, standalone",
        lambda row: number(row.costs.seconds_standalone, 1),
        room=Room.TEXT,
    ),
)

OVERALL: tuple[Column[OverallRow], ...] = (
    Column("label", "method", lambda row: row.label if row.core else f"{row.label} †", numeric=False),
    Column("difference", "mean Δ accuracy [{intervals}]", lambda row: gain(row.gain)),
    Column("p", "p", lambda row: p_value(row.gain.p) if row.gain else NOTHING),
    Column("p_corrected", "p, {family}", gain_p),
    Column("verdict", "verdict on the mean", gain_word, numeric=False),
    Column("accuracy", "mean accuracy", lambda row: percent(row.accuracy)),
    Column("over_majority", "over the constant guess", lambda row: signed(row.accuracy - row.majority)),
    Column("rank", "mean rank", lambda row: f"{row.rank:.2f}"),
    Column("wins", "better", lambda row: tally(row, row.wins)),
    Column("ties", "neither", lambda row: tally(row, row.ties)),
    Column("losses", "worse", lambda row: tally(row, row.losses)),
)
