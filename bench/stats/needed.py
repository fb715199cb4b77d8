"""How many seeds or test rows would settle an undecided comparison, if its difference were the true one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.arrays import BoolArray, IntArray, Whole
from bench.stats.crossed import Comparison, numbers, sizes_of
from bench.stats.interval import sample
from bench.stats.power import POWER, in_folds, power, with_extremes

TESTED, FOLDED = "test row", "cross-validated real row"
MOST_SEEDS, MOST_EXAMPLES = 1_000, 100_000  # no study has more seeds, or more test rows that people labelled


@dataclass(frozen=True)
class Count:
    """A number that is enough, and its 80 % interval over the uncertainty of the variances; None: more than `most`."""

    number: int | None
    low: int | None
    high: int | None
    most: int

    @property
    def text(self) -> str:
        """`10 (80 % interval 6 to 36)`."""
        number, low, high = (
            f"more than {self.most:,}" if value is None else f"{value:,}"
            for value in (self.number, self.low, self.high)
        )
        return number if self.low is None else f"{number} (80 % interval {low} to {high})"


@dataclass(frozen=True)
class Needed:
    """Total numbers, those already used included.

    `seeds`: with the same number of test rows; None for one seed, which gives no variance between seeds. `examples`:
    test rows (not clusters), with the same number of seeds; of a cross-validation, all real rows, and `unit` says so.
    """

    seeds: Count | None
    examples: Count
    unit: str = TESTED


def needed(
    results: Sequence[Comparison],
    delta: float,
    family: Whole = 1,
    rows: Sequence[int] | None = None,
    *,
    folds: int = 0,
) -> list[Needed]:
    """The fewest seeds, or test rows, with which a new grid would settle each comparison with 80 % power.

    Settled: the verdict, corrected over the `family`, is *better* or *worse* as the difference is, or *equivalent* if
    it is within +-delta. The estimated difference counts as the true one, whatever its own uncertainty. Numbers above
    `MOST_SEEDS` and `MOST_EXAMPLES` count as out of reach.

    `rows`: the test rows behind the examples of the results, which may be clusters of rows; None: as many. New rows
    count as if they came in the same proportion. With `folds`, all real rows of a cross-validation, tested or not; the
    seeds are then whole repeats of the folds.
    """
    if not results:
        return []
    (seeds, present), truth, sizes = numbers(results), with_extremes(results), sizes_of(results)
    examples = np.asarray(present.number)
    difference = np.array([one.difference for one in results])
    own = examples if rows is None else np.array(rows)
    now, step = (own, folds) if folds else (examples, 1)
    each, most = own / now, np.maximum(MOST_EXAMPLES, own)

    def enough(some: IntArray, count: IntArray) -> BoolArray:
        of, tested = in_folds(truth, folds, some, count) if folds else (truth, count)
        return power(of, some, sample(tested, sizes), difference, delta=delta, family=family) >= POWER

    of_rows = smallest(lambda n: enough(seeds, n), now, np.maximum((most / each).astype(np.int64), now))
    of_seeds = step * smallest(lambda n: enough(step * n, now), -(-seeds // step), MOST_SEEDS // step)
    by_rows = np.ceil(of_rows * each).astype(np.int64).T.tolist()
    unit = FOLDED if folds else TESTED
    return [
        Needed(None if one.conditional else counted(some, MOST_SEEDS), counted(count, limit), unit)
        for one, some, count, limit in zip(results, of_seeds.T.tolist(), by_rows, most.tolist(), strict=True)
    ]


def counted(found: Sequence[int], most: int) -> Count:
    """Numbers for estimated, small and large variances as a `Count`; 0 stands for none."""
    number, low, high = (value or None for value in found)
    return Count(number, low, high, most)


def smallest(enough: Callable[[IntArray], BoolArray], least: Whole, most: Whole) -> IntArray:
    """The smallest numbers (...) in [least, most] that are enough, found by bisection; 0 where `most` is not enough."""
    found = np.asarray(enough(np.asarray(most)))
    low, high = (np.broadcast_to(end, found.shape) for end in (np.subtract(least, 1), most))
    while (left := found & (high - low > 1)).any():
        middle = np.where(left, (low + high) // 2, high)
        good = enough(middle)
        low, high = np.where(left & ~good, middle, low), np.where(left & good, middle, high)
    return np.where(found, high, 0)
