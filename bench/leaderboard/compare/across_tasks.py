"""Summaries of methods over several tasks: means, wins and ranks.

The tasks are few and fixed, so intervals and ranks hold for these tasks and not for others. Where tasks share test
rows, their differences are not independent: then there is no interval and no test, neither of the mean nor of ranks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.leaderboard.compare.families import TAIL, clipped, tail_of
from bench.leaderboard.results import Row, Section
from bench.leaderboard.rules import USUAL, Rules
from bench.stats.crossed import Comparison
from bench.stats.multiple import CORRECTIONS
from bench.stats.strata import Strata, strata
from bench.stats.verdict import ALPHA

# Sections must agree in these to be summarised together. An encoder is its hash, whatever its name or path.
ALIKE = ("source", "encoder_hash", "checker_encoder_hash", "preset", "protocol", "training")
SHARED = ("source", "encoder", *ALIKE[1:])  # what a summary says of its sections

DIGITS = 12  # of a mean accuracy; means of equal numbers of hits may differ in later digits
LEAST_TASKS = 8  # with fewer, a test over tasks has hardly any power


@dataclass(frozen=True)
class Gain:
    """Mean difference to the baseline over the tasks, with the interval that the report shows, p and verdict.

    `p_corrected`: over the core methods of the tasks; NaN for an exploratory method, whose `word` rests on `p`.
    Where tasks share test rows there is only the difference.
    """

    difference: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_corrected: float = math.nan
    word: str = ""


@dataclass(frozen=True)
class OverallRow:
    """One method that is complete on every task. `rank`: mean over tasks; 1 is best, ties share the mean rank.

    `majority`: mean share of the most frequent class of the test. `core`: on every task; the verdicts of other methods
    are not corrected.
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

    @property
    def word(self) -> str:
        """The word of the verdict on its mean difference; empty without one."""
        return self.gain.word if self.gain else ""


@dataclass(frozen=True)
class Overall:
    """A summary over tasks with the same settings.

    `left_out`: methods that are missing, incomplete or not comparable on some task, with those tasks. `omitted`: tasks
    for which it is unclear which of several sections counts. `uninformative`: tasks whose section has no verdicts and
    no ranking. `sharing`: tasks that share test rows with another one. `family`: over how many core methods the mean
    gains are corrected.
    """

    spec: dict[str, str]
    tasks: tuple[str, ...]
    rows: tuple[OverallRow, ...]
    left_out: dict[str, tuple[str, ...]]
    omitted: tuple[str, ...] = ()
    uninformative: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()
    family: int = 0
    rules: Rules = USUAL
    looks: bool = False  # whether verdicts of some task are read at planned looks


def overall(sections: Sequence[Section]) -> tuple[Overall, ...]:
    """A summary for each group of two or more tasks with the same settings (`ALIKE`)."""
    groups: dict[tuple[str, ...], list[Section]] = {}
    for section in sections:
        groups.setdefault(tuple(entries(section, ALIKE).values()), []).append(section)
    summaries = (summary(entries(group[0], SHARED), group) for group in groups.values())
    return tuple(one for one in summaries if one is not None)


def entries(section: Section, keys: Sequence[str]) -> dict[str, str]:
    """Entries of a section as text, empty where it has none."""
    return {key: str(section.spec.get(key) or "") for key in keys}


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
    rules = sections[0].rules
    of_label = {label: [row for section in sections for row in section.rows if row.label == label] for label in labels}
    core = [label for label in labels if is_core(of_label[label]) and label != rules.baseline]
    methods = {label: [rows[label] for rows in usable] for label in ranked}
    shared = sharing(sections)
    gains = plain_means(methods) if shared else mean_gains(methods, core, rules)
    rows = [
        overall_row(
            [rows[label] for rows in usable], gains.get(label), sum(rank[i] for rank in ranks) / len(ranks), majority
        )
        for i, label in enumerate(ranked)
    ]
    rows.sort(key=lambda row: (-(row.gain.difference if row.gain else 0.0), -row.accuracy, row.label))
    left_out = {label: missing for label, missing in lacking.items() if missing}
    omitted = tuple(task for task, one in chosen.items() if one is None)
    looks = any(section.spec.get("looks") for section in sections)
    return Overall(spec, tasks, tuple(rows), left_out, omitted, silent, shared, len(core), rules, looks)


def sharing(sections: Sequence[Section]) -> tuple[str, ...]:
    """The tasks whose test has the rows of another task's test, or was drawn from the same rows.

    Tests of different files that share some rows are not recognised. Earlier versions did not store the second hash.
    """
    hashes = [{section.spec["hashes"].get("test"), section.spec.get("drawn_from")} - {None, ""} for section in sections]
    counts = Counter(one for own in hashes for one in own)
    pairs = zip(sections, hashes, strict=True)
    return tuple(str(section.spec["task_ref"]) for section, own in pairs if any(counts[one] > 1 for one in own))


def is_core(rows: Sequence[Row]) -> bool:
    """Whether a method is a core method on every task."""
    return all(row.spec["core"] for row in rows)


def ranks_of(values: list[float]) -> list[float]:
    """Ranks of values, 1 for the largest; equal values share the mean of their ranks."""
    return [1 + sum(other > value for other in values) + (values.count(value) - 1) / 2 for value in values]


def overall_row(rows: Sequence[Row], gain: Gain | None, rank: float, majority: float) -> OverallRow:
    """One method over its tasks; a verdict other than better or worse counts as a tie."""
    words = [row.word for row in rows if row.word]
    wins, losses = words.count("better"), words.count("worse")
    return OverallRow(
        label=rows[0].label,
        accuracy=sum(row.accuracy.mean for row in rows) / len(rows),
        gain=gain,
        wins=wins,
        ties=len(words) - wins - losses,
        losses=losses,
        rank=rank,
        majority=majority,
        core=is_core(rows),
    )


def mean_gains(methods: Mapping[str, Sequence[Row]], core: Sequence[str], rules: Rules) -> dict[str, Gain]:
    """The mean differences of the methods that have one on every task; those of `core` are one corrected family.

    A core method without a mean counts in the family, like one without a result in a section. With planned looks, p and
    simultaneous intervals hold at whichever looks the tasks stop.
    """
    means = {label: strata(differences) for label, rows in methods.items() if (differences := differences_of(rows))}
    spent = {label: share_of(methods[label]) for label in means}
    p = {label: min(1.0, float(mean.p()) / spent[label]) for label, mean in means.items()}
    corrected = CORRECTIONS[rules.correction]([p.get(label, math.nan) for label in core])
    by_label = dict(zip(core, map(float, corrected), strict=True))
    tails = {label: tail_of(corrected, rules) if label in by_label else TAIL for label in means}
    if rules.intervals == "simultaneous":
        tails = {label: tail * spent[label] for label, tail in tails.items()}
    return {label: mean_gain(mean, p[label], by_label.get(label), tails[label], rules) for label, mean in means.items()}


def plain_means(methods: Mapping[str, Sequence[Row]]) -> dict[str, Gain]:
    """The mean differences of the methods that have one on every task, without interval, p and verdict."""
    known = {label: differences for label, rows in methods.items() if (differences := differences_of(rows))}
    return {label: Gain(math.fsum(one.difference for one in of) / len(of)) for label, of in known.items()}


def share_of(rows: Sequence[Row]) -> float:
    """The share of the 5 % that a mean over tasks may use after the planned looks at which a method stopped on each.

    The tasks stop each by itself. Half is for all tasks at their last look. The other half is for all combinations of
    looks, in proportion to the product of their shares, which have the sum 1. So p divided by the share is valid at
    whichever combination the tasks stop, and at most doubled where none stops early.
    """
    matches = [row.paired.match for row in rows if row.paired and row.paired.match]
    at_last = all(len(one.at_looks) == len(one.looks) for one in matches)
    return (at_last + math.prod(one.share for one in matches)) / 2


def differences_of(rows: Sequence[Row]) -> list[Comparison]:
    """The differences of one method on each task; none if a task has none or its verdict is withheld."""
    known = [row.paired.accuracy for row in rows if row.paired and row.paired.accuracy and not row.paired.withheld]
    return known if len(known) == len(rows) else []


def mean_gain(mean: Strata, p: float, corrected: float | None, tail: float, rules: Rules) -> Gain:
    """The gain with its verdict, which is not corrected where `corrected` is None."""
    difference, half = float(mean.difference), float(mean.half_width(tail))
    rejected = (p if corrected is None else corrected) < ALPHA
    low, high = clipped(difference, (difference - half, difference + half), rejected=rejected, rules=rules)
    word = ("better" if difference > 0 else "worse") if rejected else "undecided"
    known = math.nan if corrected is None else corrected
    return Gain(difference, low, high, p, known, word)
