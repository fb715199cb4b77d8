"""Extra table of a report: accuracy along an axis of stress, from sections of a task that differ in it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.columns import NOTHING, Column, gain, mean_and_interval
from bench.leaderboard.compare.baseline import mixture, stacked
from bench.leaderboard.compare.families import Corrected, correct
from bench.leaderboard.extra_tables.extra_table import ExtraTable
from bench.leaderboard.results import Match, Report, Row, Section
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison, compare
from bench.stats.interval import UNKNOWN, Interval, Sizes
from bench.stats.looks import reached
from bench.stats.verdict import verdict
from tasks import AXES

# Sections of one curve agree in these. An encoder is its hash, whatever its name or path.
ALIKE = (
    *("task", "source", "encoder_hash", "checker_encoder_hash", "given_checkers", "preset", "protocol", "settings"),
    "filters",
)
SIGNS = {"better": " ▲", "worse": " ▼", "equivalent": " ="}


@dataclass(frozen=True)
class Curve:
    """The sections along one axis, in ascending order of its value."""

    axis: str
    values: tuple[float, ...]
    sections: tuple[Section, ...]

    @property
    def labels(self) -> list[str]:
        """The methods with results at two points or more, in the order of the first section."""
        rows = [row.label for section in self.sections for row in section.rows if row.cells]
        return [label for label in dict.fromkeys(rows) if rows.count(label) > 1]

    @property
    def planned(self) -> list[str]:
        """The methods planned at both ends, with or without a result."""
        ends = [[row.label for row in section.rows] for section in (self.sections[0], self.sections[-1])]
        return [label for label in ends[0] if label in ends[1]]

    @property
    def title(self) -> str:
        """The title of the task, and what tells this curve from others of it."""
        title = str(self.sections[0].spec["title"])
        return f"{title} ({', '.join(self.apart)})" if self.apart else title

    @property
    def apart(self) -> list[str]:
        """What tells this curve from others of its task: its other stress, and the axes of its sections.

        Of several sections, those of the one that has most axes: at some values there may be no other section.
        """
        stress = {name: value for section in self.sections for name, value in section.spec.get("stress", {}).items()}
        other = [f"{name}={value}" for name, value in stress.items() if name != self.axis]
        return [*other, *max((section.axes for section in self.sections), key=len)]

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds at which verdicts are read, if that was planned at one of its ends."""
        return tuple(self.sections[0].spec.get("looks") or self.sections[-1].spec.get("looks") or ())

    def row(self, label: str, place: int) -> Row | None:
        """A method at one point; None if it has no result there."""
        return next((row for row in self.sections[place].rows if row.label == label and row.cells), None)


@dataclass(frozen=True)
class StressRow:
    """One method along an axis: accuracy and verdict at each value, and its change from the first value to the last."""

    label: str
    core: bool  # at each value
    accuracy: tuple[Interval, ...]
    words: tuple[str, ...]
    change: Comparison | None  # accuracy at the last value minus at the first
    match: Match | None  # its change minus the baseline's
    verdict: str = NOTHING  # on `against`

    @property
    def against(self) -> Comparison | None:
        """Its change minus the baseline's, on the seeds up to the last planned look."""
        return self.match.accuracy if self.match else None


def curves(sections: Sequence[Section]) -> list[Curve]:
    """The curves of all axes; a curve has two or more sections."""
    axes = [name for name, axis in AXES.items() if axis.option_of is None]
    return [curve for axis in axes for curve in along(axis, sections)]


def along(axis: str, sections: Sequence[Section]) -> Iterator[Curve]:
    """The curves of one axis. A section without stress on it is the unstressed point of every curve it matches."""
    options = {name for name, entry in AXES.items() if entry.option_of == axis}
    groups: dict[str, dict[float, Section]] = {}
    stressed = [section for section in sections if axis in section.spec.get("stress", {})]
    for section in stressed:
        groups.setdefault(key(section, axis, {axis}), {})[value(section, axis)] = section
    for section in (section for section in sections if section not in stressed):
        for group in groups.values():
            if key(section, axis, set()) == key(next(iter(group.values())), axis, {axis, *options}):
                group.setdefault(value(section, axis), section)
    for group in groups.values():
        if len(group) > 1:
            values = tuple(sorted(group))
            yield Curve(axis, values, tuple(group[x] for x in values))


def key(section: Section, axis: str, without: set[str]) -> str:
    """A key that is equal for the sections of a curve along an axis; `without`: the stress in which they may differ."""
    stress = {name: entry for name, entry in section.spec.get("stress", {}).items() if name not in without}
    same = ("generated", "pool", "cluster", *(() if AXES[axis].role == "test" else ("test",)))
    rows = [section.spec["hashes"].get(name) for name in same]  # before stress, but for the test
    return repr([*(section.spec.get(name) for name in ALIKE), rows, sorted(stress.items())])


def value(section: Section, axis: str) -> float:
    """A section's value on an axis: its stress, else its number of rows for axes of sizes, else the default."""
    spec: Mapping[str, Any] = section.spec
    return float(spec.get("stress", {}).get(axis, spec["sizes"].get(axis, AXES[axis].default or 0)))


def stress_tables(report: Report) -> Iterator[ExtraTable]:
    """A table per curve."""
    for place, curve in enumerate(curves(report.sections), 1):
        title = f"Stress: {curve.title} along {curve.axis}"
        yield ExtraTable(f"stress-{place}", title, columns(curve), rows(curve, report), after=[reading(curve, report)])


def columns(curve: Curve) -> list[Column[StressRow]]:
    """A column per value, then the change from the first value to the last."""
    columns: list[Column[StressRow]] = [
        Column("label", "method", lambda row: row.label if row.core else f"{row.label} †", numeric=False)
    ]
    for place, x in enumerate(curve.values):
        columns.append(Column(f"at_{place}", f"{curve.axis}={x:g}", lambda row, at=place: point(row, at)))  # type: ignore[misc]
    columns.append(Column("stress_change", "change, last − first [95 %]", lambda row: gain(row.change)))
    columns.append(Column("stress_against", "change − baseline's [95 %]", lambda row: gain(row.against)))
    columns.append(Column("stress_verdict", "holds up", lambda row: row.verdict, numeric=False))
    return columns


def point(row: StressRow, place: int) -> str:
    """Accuracy with its interval, and the sign of the verdict against the baseline."""
    interval = row.accuracy[place]
    return NOTHING if np.isnan(interval.mean) else mean_and_interval(interval) + SIGNS.get(row.words[place], "")


def rows(curve: Curve, report: Report) -> list[StressRow]:
    """The methods along an axis; the verdicts on `against` are corrected over all methods planned at both ends."""
    rules = report.rules
    base = change(curve, rules.baseline, rules.allow_mixed)
    by_label = {label: stress_row(curve, label, base, rules) for label in curve.labels}
    planned = [label for label in curve.planned if label != rules.baseline]
    matches = [(row.match if (row := by_label.get(label)) else None) or Match() for label in planned]
    silent = any(section.uninformative for section in (curve.sections[0], curve.sections[-1]))
    for label, match, part in zip(planned, matches, correct(matches, rules), strict=True):
        if match.accuracy is not None and not silent:
            by_label[label] = replace(
                by_label[label], verdict=match.withheld or judged(match, match.accuracy, part, rules)
            )
    return list(by_label.values())


def judged(match: Match, difference: Comparison, part: Corrected, rules: Rules) -> str:
    """The verdict on a change; with planned looks, what it could detect is that of the look so far."""
    return verdict(difference, part.p, part.same, family=round(part.size / match.share), delta=rules.delta).text


def stress_row(curve: Curve, label: str, base: Change | None, rules: Rules) -> StressRow:
    """One method along the axis; a change needs the same seeds and test rows at both ends."""
    places = [curve.row(label, place) for place in range(len(curve.values))]
    own = change(curve, label, rules.allow_mixed)
    return StressRow(
        label=label,
        core=all(row.spec["core"] for row in places if row),
        accuracy=tuple(row.accuracy if row else UNKNOWN for row in places),
        words=tuple(row.word if row else "" for row in places),
        change=compare(own.scores, np.zeros_like(own.scores), sizes=own.sizes) if own else None,
        match=against(own, base, curve.looks, rules.allow_mixed) if own and base else None,
    )


@dataclass(frozen=True)
class Change:
    """A method's rows at the first and the last value, and (S, N) hits at the last minus hits at the first."""

    first: Row
    last: Row
    scores: FloatArray
    sizes: Sizes


def against(own: Change, base: Change, looks: tuple[int, ...], allow_mixed: bool) -> Match | None:
    """A method's change minus the baseline's; None for the baseline and where seeds or environments differ.

    With planned looks, seeds after the last look so far do not count yet.
    """
    if own.first.is_baseline or own.first.seeds != base.first.seeds:
        return None
    if not allow_mixed and (mixture(own.first, base.first) or mixture(own.last, base.last)):
        return None
    if not looks:
        return Match(compare(own.scores, base.scores, sizes=own.sizes))
    counts = reached(len(own.scores), looks)
    at_looks = tuple(compare(own.scores[:count], base.scores[:count], sizes=own.sizes) for count in counts)
    if not at_looks:
        return Match(compare(own.scores, base.scores, sizes=own.sizes), withheld=f"first look at {looks[0]} seeds")
    return Match(at_looks[-1], looks=looks, at_looks=at_looks)


def change(curve: Curve, label: str, allow_mixed: bool) -> Change | None:
    """A method's change along the axis; None unless seeds, test rows and environment are the same at both ends."""
    first, last = curve.row(label, 0), curve.row(label, len(curve.values) - 1)
    tests = curve.sections[0].test, curve.sections[-1].test
    if first is None or last is None or not (first.complete and last.complete) or first.seeds != last.seeds:
        return None
    if tests[0] is None or tests[1] is None or not tests[0].same(tests[1]):
        return None
    if not allow_mixed and mixture(first, last):
        return None
    right = [tests[0].right(stacked(row, row.seeds)) for row in (last, first)]
    return Change(first, last, np.asarray(right[0] - right[1]), tests[0].sizes)


def reading(curve: Curve, report: Report) -> str:
    """How to read the columns."""
    base = report.rules.baseline
    looks = " and over the planned looks" if curve.looks else ""
    return "\n".join(
        [
            f"- **{curve.axis}**: {AXES[curve.axis].meaning}. Each column: accuracy in per cent with its 95 % interval "
            f"over seeds, and the verdict against {base} at this value: ▲ better, ▼ worse, = equivalent, "
            "no sign: undecided or no verdict. †: exploratory, so ▲ and ▼ are not corrected and some appear by chance.",
            "- **change**: accuracy at the last value minus at the first, on the same seeds and test rows; its "
            "interval is for new seeds and new test rows (crossed). **change − baseline's**: the method's change "
            f"minus that of {base}; above zero, the method loses less. **holds up**: the verdict on this "
            "difference; *better* and "
            f"*worse* are corrected by {report.rules.author} over the methods planned at both ends{looks}.",
        ]
    )
