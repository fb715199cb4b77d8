"""How many seeds or test rows would settle an undecided comparison, if its estimates were the true values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.stats.crossed import Comparison, Components, half_width
from bench.stats.interval import LEVEL

MOST_SEEDS, MOST_EXAMPLES = 1_000, 10_000_000


@dataclass(frozen=True)
class Needed:
    """Total numbers, those already used included; None if `MOST_SEEDS` or `MOST_EXAMPLES` are not enough.

    `seeds`: with the same number of test rows. `examples`: test rows, with the same number of seeds.
    """

    seeds: int | None
    examples: int | None


def needed(result: Comparison, delta: float, family: int = 1) -> Needed:
    """The fewest seeds, or test rows, at which the same difference would be significant or equivalent (+-delta).

    Significant: at 5 % / `family` (Bonferroni over the comparisons of the family), so that Holm would agree.
    Equivalent: the 95 % interval lies within +-delta.

    The variances of a larger design are those expected from the components: s2_example falls with more seeds, s2_seed
    with more rows. One seed gives no variance between seeds, so then only rows are counted.
    """
    size = abs(result.difference)

    def settled(seeds: int, examples: int) -> bool:
        variances = expected(result, seeds, examples)
        wide, half = (float(half_width(variances, seeds, examples, (1 - LEVEL) / 2 / count)) for count in (family, 1))
        return wide < size or size + half <= delta

    return Needed(
        None if result.conditional else smallest(lambda n: settled(n, result.examples), result.seeds, MOST_SEEDS),
        smallest(lambda n: settled(result.seeds, n), result.examples, MOST_EXAMPLES),
    )


def expected(result: Comparison, seeds: int, examples: int) -> Components:
    """The sample variances expected for another number of seeds or examples."""
    seed, example, residual = (np.asarray(result.components[name]) for name in Components._fields)
    if result.conditional:
        return Components(seed, example, residual)
    own_seed = np.maximum(seed - residual / result.examples, 0.0)
    own_example = np.maximum(example - residual / result.seeds, 0.0)
    return Components(own_seed + residual / examples, own_example + residual / seeds, residual)


def smallest(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """The smallest number in [least, most] that is enough, found by bisection; None if `most` is not enough."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
