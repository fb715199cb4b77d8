"""Summaries of methods over several tasks: means, wins and ranks.

The tasks are few and fixed, so intervals and ranks hold for these tasks and not for others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.leaderboard.results import Row, Section
from bench.stats.crossed import Comparison

# Sections must agree in these to be summarised together.
ALIKE = ("source", "encoder", "encoder_hash", "checker_encoder_hash", "preset", "protocol", "training")

DIGITS = 12  # of a mean accuracy; means of equal numbers of hits may differ in later digits
LEAST_TASKS = 8  # with fewer, a test over tasks has hardly any power


@dataclass(frozen=True)
class Gain:
    """Mean difference to the baseline over the tasks, with its 95 % interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class OverallRow:
    """One method that is complete on every task. `rank`: mean over tasks; 1 is best, ties share the mean rank.

    `majority`: mean share of the most frequent class of the test. `core`: not an exploratory method.
    """

    label: str
    accuracy: float
    gain: Gain | None
    wins: int
    ties: int
    losses: int
    rank: float
    majority: float
    core: bool


@dataclass(frozen=True)
class Overall:
    """A summary over tasks with the same settings.

    `left_out`: methods that are missing or incomplete on some task, with those tasks. `omitted`: tasks for which it is
    unclear which of several sections counts. `uninformative`: tasks whose section has no verdicts and no ranking.
    """

    spec: dict[str, str]
    tasks: tuple[str, ...]
    rows: tuple[OverallRow, ...]
    left_out: dict[str, tuple[str, ...]]
    omitted: tuple[str, ...] = ()
    uninformative: tuple[str, ...] = ()


def overall(sections: Sequence[Section]) -> tuple[Overall, ...]:
    """A summary for each group of two or more tasks with the same settings (`ALIKE`)."""
    groups: dict[tuple[str, ...], list[Section]] = {}
    for section in sections:
        groups.setdefault(tuple(str(section.spec.get(key) or "") for key in ALIKE), []).append(section)
    summaries = (summary(dict(zip(ALIKE, key, strict=True)), group) for key, group in groups.items())
    return tuple(one for one in summaries if one is not None)


def one_each(sections: Sequence[Section]) -> dict[str, Section | None]:
    """The section that counts for each task; None if that is unclear.

    A variant such as `a[noise=0.2]` is not a task of its own: of several sections of a task the one without options
    counts, if there is exactly one.
    """
    chosen: dict[str, Section | None] = {}
    for task in dict.fromkeys(map(task_of, sections)):
        own = [section for section in sections if task_of(section) == task]
        plain = own if len(own) == 1 else [section for section in own if section.spec["task_ref"] == task]
        chosen[task] = plain[0] if len(plain) == 1 else None
    return chosen


def task_of(section: Section) -> str:
    """The name of a section's data set."""
    return str(section.spec["task"])


def summary(spec: dict[str, str], group: Sequence[Section]) -> Overall | None:
    """The summary of one group; None for fewer than two tasks or methods."""
    chosen = one_each(group)
    silent = tuple(task for task, section in chosen.items() if section is not None and section.uninformative)
    sections = [section for section in chosen.values() if section is not None and not section.uninformative]
    labels = list(dict.fromkeys(row.label for section in sections for row in section.rows))
    usable = [{row.label: row for row in section.rows if row.best is not None} for section in sections]
    tasks = tuple(str(section.spec["task_ref"]) for section in sections)
    lacking = {
        label: tuple(task for task, rows in zip(tasks, usable, strict=True) if label not in rows) for label in labels
    }
    ranked = [label for label in labels if not lacking[label]]
    if len(sections) < 2 or len(ranked) < 2:
        return None
    ranks = [ranks_of([round(rows[label].accuracy.mean, DIGITS) for label in ranked]) for rows in usable]
    majority = sum(section.spec["majority"] for section in sections) / len(sections)
    rows = [
        overall_row(label, [rows[label] for rows in usable], sum(rank[i] for rank in ranks) / len(ranks), majority)
        for i, label in enumerate(ranked)
    ]
    rows.sort(key=lambda row: (-(row.gain.difference if row.gain else 0.0), -row.accuracy, row.label))
    left_out = {label: missing for label, missing in lacking.items() if missing}
    omitted = tuple(task for task, one in chosen.items() if one is None)
    return Overall(spec, tasks, tuple(rows), left_out, omitted, silent)


def ranks_of(values: list[float]) -> list[float]:
    """Ranks of values, 1 for the largest; equal values share the mean of their ranks."""
    return [1 + sum(other > value for other in values) + (values.count(value) - 1) / 2 for value in values]


def overall_row(label: str, rows: Sequence[Row], rank: float, majority: float) -> OverallRow:
    """One method over its tasks; a verdict other than better or worse counts as a tie."""
    words = [row.paired.verdict.word for row in rows if row.paired and row.paired.verdict.word]
    wins, losses = words.count("better"), words.count("worse")
    return OverallRow(
        label=label,
        accuracy=sum(row.accuracy.mean for row in rows) / len(rows),
        gain=mean_gain([row.paired.accuracy if row.paired else None for row in rows]),
        wins=wins,
        ties=len(words) - wins - losses,
        losses=losses,
        rank=rank,
        majority=majority,
        core=all(row.spec["core"] for row in rows),
    )


def mean_gain(comparisons: Sequence[Comparison | None]) -> Gain | None:
    """Mean difference over T tasks (fixed strata), with the half-width h = sqrt(sum of h_t^2) / T.

    The h_t are those of the tasks, so the variances of each task keep their own quantiles. None if a task has none.
    """
    known = [one for one in comparisons if one is not None]
    if len(known) < len(comparisons):
        return None
    difference = sum(one.difference for one in known) / len(known)
    half = math.sqrt(sum(((one.high - one.low) / 2) ** 2 for one in known)) / len(known)
    return Gain(difference, difference - half, difference + half)
