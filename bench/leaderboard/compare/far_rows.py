"""Seeds at which a method's accuracy lies far from that at its other seeds, and the verdicts without them.

No t test can know of a training that collapses once in ten times: where these seeds lack it, the method looks better
than it is, and where they have it, the variance hides everything. So such a seed is named, with the verdicts without
it, and counts. It is far if it differs from the median of the method's other seeds by more than `POINTS` and by more
than `SDS` standard deviations between seeds, the median of the methods (the lower one of two). A collapse in fewer than
half of the methods does not move it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median, median_low, stdev
from typing import TYPE_CHECKING

from bench.leaderboard.compare.baseline import compare_with_baseline
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Far
from bench.leaderboard.rules import Rules

if TYPE_CHECKING:
    from bench.leaderboard.results import Row

POINTS = 0.05  # least distance, as a share
SDS = 6.0
FEWEST = 3  # seeds: of two, either may be the odd one


def far_of(rows: Sequence[Row], test: Examples, rules: Rules, looks: Sequence[int] = ()) -> tuple[Far, ...]:
    """The far seeds of a section's rows, which have their comparisons with the baseline."""
    found = far_seeds({row.label: {seed: cell.accuracy for seed, cell in row.cells.items()} for row in rows})
    return tuple(far(rows, label, seed, test, rules, looks) for label, seed in found)


def far(rows: Sequence[Row], label: str, seed: int, test: Examples, rules: Rules, looks: Sequence[int]) -> Far:
    """One far seed with the verdicts that change without it."""
    fewer = [without(row, seed) if row.label == label else row for row in rows]
    base = next((row for row in fewer if row.label == rules.baseline), None)
    words = {}
    for row, again in zip(rows, compare_with_baseline(fewer, base, test, rules, looks), strict=True):
        before = row.paired.verdict.word if row.paired else ""
        if before != again.verdict.word or row.label == label:
            words[row.label] = (before, again.verdict.word)
    cells = next(row.cells for row in rows if row.label == label)
    others = median(cell.accuracy for at, cell in cells.items() if at != seed)
    return Far(label, seed, cells[seed].accuracy, others, {name: pair for name, pair in words.items() if any(pair)})


def without(row: Row, seed: int) -> Row:
    """The row as if this seed had not been planned."""
    cells = {at: cell for at, cell in row.cells.items() if at != seed}
    return replace(row, cells=cells, seeds=tuple(at for at in row.seeds if at != seed))


def far_seeds(accuracy: Mapping[str, Mapping[int, float]]) -> list[tuple[str, int]]:
    """(method, seed) of the seeds that are far from the others of their method; `accuracy`: by method and seed."""
    measured = {label: seeds for label, seeds in accuracy.items() if len(seeds) >= FEWEST}
    if not measured:
        return []
    least = max(POINTS, SDS * median_low([stdev(seeds.values()) for seeds in measured.values()]))
    return [
        (label, seed)
        for label, seeds in measured.items()
        for seed, value in seeds.items()
        if abs(value - median([other for at, other in seeds.items() if at != seed])) > least
    ]
