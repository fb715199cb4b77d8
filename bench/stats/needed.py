"""How many seeds or test rows would settle an undecided comparison, if its difference were the true one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.stats.crossed import Comparison
from bench.stats.power import POWER, Effects, effects, extremes, in_folds, power

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


def needed(result: Comparison, delta: float, family: int = 1, rows: int | None = None, *, folds: int = 0) -> Needed:
    """The fewest seeds, or test rows, with which a new grid would settle the comparison with 80 % power.

    Settled: the verdict, corrected over the `family`, is *better* or *worse* as the difference is, or *equivalent* if
    it is within +-delta. The estimated difference counts as the true one, whatever its own uncertainty. Numbers above
    `MOST_SEEDS` and `MOST_EXAMPLES` count as out of reach.

    `rows`: the test rows behind the examples of the result, which may be clusters of rows; None: as many. New rows
    count as if they came in the same proportion. With `folds`, all real rows of a cross-validation, tested or not; the
    seeds are then whole repeats of the folds.
    """
    rows = result.examples if rows is None else rows
    now, step = (rows, folds) if folds else (result.examples, 1)
    each, most_rows = rows / now, max(MOST_EXAMPLES, rows)

    def enough(seeds: int, examples: int, truth: Effects) -> bool:
        if folds:
            truth, examples = in_folds(truth, folds, seeds, examples)
        return power(truth, seeds, examples, result.difference, delta=delta, family=family) >= POWER

    def by_seeds(truth: Effects) -> int | None:
        least = -(-result.seeds // step)
        number = smallest(lambda n: enough(step * n, now, truth), least, MOST_SEEDS // step)
        return None if number is None else step * number

    def by_examples(truth: Effects) -> int | None:
        most = max(int(most_rows / each), now)
        number = smallest(lambda n: enough(result.seeds, n, truth), now, most)
        return None if number is None else math.ceil(number * each)

    truths = (effects(result), *extremes(result))
    number, low, high = map(by_examples, truths)
    examples = Count(number, low, high, most_rows)
    unit = FOLDED if folds else TESTED
    if result.conditional:
        return Needed(None, examples, unit)
    number, low, high = map(by_seeds, truths)
    return Needed(Count(number, low, high, MOST_SEEDS), examples, unit)


def smallest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """The smallest number in [least, most] that is enough, found by bisection; None if `most` is not enough."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
