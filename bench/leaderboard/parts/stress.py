"""Accuracy along an axis of stress: sections of one task that differ in one axis alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.leaderboard.columns import Column, gain, mean_and_interval
from bench.leaderboard.paired import mixture, stacked
from bench.leaderboard.parts.part import Part
from bench.leaderboard.table import Row, Section, Table
from bench.stats.crossed import Comparison, compare
from bench.stats.interval import Interval, t_interval
from bench.stats.metrics import FloatArray
from bench.stats.multiple import CORRECTIONS
from bench.stats.verdict import verdict
from tasks import AXES

ALIKE = ("task", "source", "encoder", "encoder_hash", "preset", "protocol", "settings", "filters")
SIGNS = {"better": " ▲", "worse": " ▼", "equivalent": " ="}
NOTHING = "–"
UNKNOWN = t_interval([])


@dataclass(frozen=True)
class Curve:
    """The sections along one axis, by rising value."""

    axis: str
    values: tuple[float, ...]
    sections: tuple[Section, ...]

    @property
    def labels(self) -> list[str]:
        """The methods that have a result at two points or more, in the order of the first section."""
        rows = [row.label for section in self.sections for row in section.rows if row.cells]
        return [label for label in dict.fromkeys(rows) if rows.count(label) > 1]

    def row(self, label: str, place: int) -> Row | None:
        """A method at one point."""
        return next((row for row in self.sections[place].rows if row.label == label and row.cells), None)


@dataclass(frozen=True)
class StressRow:
    """One method along an axis: accuracy and verdict at each value, and what the axis does to it."""

    label: str
    accuracy: tuple[Interval, ...]
    words: tuple[str, ...]
    change: Comparison | None  # accuracy at the last value minus at the first
    against: Comparison | None  # its change minus the baseline's
    verdict: str = NOTHING


def curves(table: Table) -> list[Curve]:
    """Every axis along which two or more sections lie."""
    axes = [name for name, axis in AXES.items() if axis.option_of is None]
    return [curve for axis in axes for curve in along(axis, table.sections)]


def along(axis: str, sections: Sequence[Section]) -> Iterator[Curve]:
    """The curves of one axis. A section without the axis is the first point of every curve that it fits."""
    options = {name for name, entry in AXES.items() if entry.option_of == axis}
    groups: dict[str, dict[float, Section]] = {}
    stressed = [section for section in sections if axis in section.spec.get("stress", {})]
    for section in stressed:
        groups.setdefault(key(section, {axis}), {})[value(section, axis)] = section
    for section in (section for section in sections if section not in stressed):
        for group in groups.values():
            if key(section, set()) == key(next(iter(group.values())), {axis, *options}):
                group.setdefault(value(section, axis), section)
    for group in groups.values():
        if len(group) > 1:
            values = tuple(sorted(group))
            yield Curve(axis, values, tuple(group[x] for x in values))


def key(section: Section, without: set[str]) -> str:
    """What the sections of a curve share."""
    stress = {name: entry for name, entry in section.spec.get("stress", {}).items() if name not in without}
    return repr([*(section.spec.get(name) for name in ALIKE), sorted(stress.items())])


def value(section: Section, axis: str) -> float:
    """Where a section lies on an axis; sizes are always known."""
    spec: Mapping[str, Any] = section.spec
    return float(spec.get("stress", {}).get(axis, spec["sizes"].get(axis, AXES[axis].default or 0)))


def parts(table: Table) -> Iterator[Part]:
    """A table per curve."""
    for place, curve in enumerate(curves(table), 1):
        title = f"Stress: {curve.sections[0].spec['title']} along {curve.axis}"
        yield Part(f"stress-{place}", title, columns(curve), rows(curve, table), after=[reading(curve, table)])


def columns(curve: Curve) -> list[Column[StressRow]]:
    """A column per value, then what the axis does."""
    found: list[Column[StressRow]] = [Column("label", "method", lambda row: row.label, numeric=False)]
    for place, x in enumerate(curve.values):
        found.append(Column(f"at_{place}", f"{curve.axis}={x:g}", lambda row, at=place: point(row, at)))  # type: ignore[misc]
    found.append(Column("stress_change", "change, last − first [95 %]", lambda row: gain(row.change)))
    found.append(Column("stress_against", "change − baseline's [95 %]", lambda row: gain(row.against)))
    found.append(Column("stress_verdict", "holds up", lambda row: row.verdict, numeric=False))
    return found


def point(row: StressRow, place: int) -> str:
    """Accuracy with its interval and the sign of its verdict."""
    interval = row.accuracy[place]
    return NOTHING if np.isnan(interval.mean) else mean_and_interval(interval) + SIGNS.get(row.words[place], "")


def rows(curve: Curve, table: Table) -> list[StressRow]:
    """The methods along an axis; verdicts on their resistance are corrected over them."""
    rules = table.rules
    base = change_scores(curve, rules.baseline, rules.allow_mixed)
    made = [stress_row(curve, label, base, rules.baseline, rules.allow_mixed) for label in curve.labels]
    against = [row.against for row in made if row.against is not None]
    corrected = iter(CORRECTIONS[rules.correction]([found.p for found in against]))
    return [with_verdict(row, float(next(corrected)), rules.delta) if row.against else row for row in made]


def stress_row(curve: Curve, label: str, base: FloatArray | None, baseline: str, allow_mixed: bool) -> StressRow:
    """One method; changes need the same seeds and test rows at both ends."""
    places = [curve.row(label, place) for place in range(len(curve.values))]
    change = change_scores(curve, label, allow_mixed)
    comparable = change is not None and base is not None and label != baseline and change.shape == base.shape
    return StressRow(
        label=label,
        accuracy=tuple(row.accuracy if row else UNKNOWN for row in places),
        words=tuple(row.paired.verdict.word if row and row.paired else "" for row in places),
        change=None if change is None else compare(change, np.zeros_like(change)),
        against=compare(change, base) if comparable and change is not None and base is not None else None,
    )


def change_scores(curve: Curve, label: str, allow_mixed: bool) -> FloatArray | None:
    """(S, N) right at the last value minus right at the first, None where the two are not the same design."""
    first, last = curve.row(label, 0), curve.row(label, len(curve.values) - 1)
    tests = curve.sections[0].test, curve.sections[-1].test
    if first is None or last is None or not (first.complete and last.complete) or first.seeds != last.seeds:
        return None
    if tests[0] is None or tests[1] is None or not tests[0].same(tests[1]):
        return None
    if not allow_mixed and mixture(first, last):
        return None
    right = [(stacked(row, row.seeds) == tests[0].labels).astype(np.float64) for row in (last, first)]
    return np.asarray(right[0] - right[1])


def with_verdict(row: StressRow, p: float, delta: float) -> StressRow:
    """The row with the word on how its change compares with the baseline's."""
    assert row.against is not None
    return StressRow(
        row.label, row.accuracy, row.words, row.change, row.against, verdict(row.against, p, delta=delta).text
    )


def reading(curve: Curve, table: Table) -> str:
    """How to read the columns."""
    base = table.rules.baseline
    return "\n".join(
        [
            f"- **{curve.axis}**: {AXES[curve.axis].meaning}. Accuracy in per cent with its interval over seeds; at "
            f"that value ▲ better than {base}, ▼ worse, = equivalent, no sign: undecided.",
            "- **change**: accuracy at the last value minus at the first, same seeds and test rows (crossed, as in the "
            f"leaderboard). **change − baseline's**: how much less the axis costs than it costs {base}; **holds up**: "
            "the verdict on that, corrected over the methods of this table.",
        ]
    )
