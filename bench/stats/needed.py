"""How much more would settle an undecided comparison, if its difference and variances are what they seem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.stats.crossed import Comparison, Components, half_width
from bench.stats.interval import LEVEL

MOST_SEEDS, MOST_EXAMPLES = 1_000, 10_000_000


@dataclass(frozen=True)
class Needed:
    """Numbers in all, not in addition; None where no number (up to a thousand seeds, ten million rows) is enough.

    `seeds` with the test rows as they are, `examples` with the seeds as they are.
    """

    seeds: int | None
    examples: int | None


def needed(found: Comparison, delta: float, family: int = 1) -> Needed:
    """The fewest seeds, or test rows, at which the same difference would be significant or lie in +-delta for certain.

    Significant: at 5 % over the number of comparisons in the `family`, by Bonferroni, so that Holm would agree.

    Variances of a larger design are those expected from the components: s2_example falls with the seeds,
    s2_seed with the rows. One seed says nothing of other seeds, so that only rows are counted.
    """
    size = abs(found.difference)

    def settled(seeds: int, examples: int) -> bool:
        there = expected(found, seeds, examples)
        wide, half = (float(half_width(there, seeds, examples, (1 - LEVEL) / 2 / count)) for count in (family, 1))
        return wide < size or size + half <= delta

    return Needed(
        None if found.conditional else smallest(lambda n: settled(n, found.examples), found.seeds, MOST_SEEDS),
        smallest(lambda n: settled(found.seeds, n), found.examples, MOST_EXAMPLES),
    )


def expected(found: Comparison, seeds: int, examples: int) -> Components:
    """The sample variances to be expected at another size."""
    seed, example, residual = (np.asarray(found.components[name]) for name in Components._fields)
    if found.conditional:
        return Components(seed, example, residual)
    own_seed = np.maximum(seed - residual / found.examples, 0.0)
    own_example = np.maximum(example - residual / found.seeds, 0.0)
    return Components(own_seed + residual / examples, own_example + residual / seeds, residual)


def smallest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """The smallest number in [least, most] that is enough, where more is never worse; None if none is."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
