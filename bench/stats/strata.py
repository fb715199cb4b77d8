"""Mean of a difference over T tasks, for new seeds and new test examples of these tasks.

The tasks are independent strata, which tasks that share test rows are not. So the variances of their differences d_t
add up. With the parts A_t, B_t and the floor f_t of `crossed` and the largest A_t apart,

    h^2 = (t_{S-1}^2 A_max + t_R^2 (sum A_t - A_max) + t_{N-1}^2 sum B_t) / T^2,   at least t_{N-1}^2 sum f_t / T^2,

and a task on which nothing varies adds the square of its own half-width, t_{N-1}^2 / N_t (see `crossed.width`) / T,
R being the degrees of freedom of the other tasks' seeds together, and N the rows of the smallest test. Pooling is
right where seeds spread alike on all tasks. Where one task has most of the variance, only its own seeds tell of it. One
t with all degrees of freedom then misses the truth in up to 21 % of cases in place of 5, one with Satterthwaite's in up
to 9 % (docs/evidence.md). The largest variance therefore keeps its own quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from bench.arrays import FloatArray
from bench.stats.crossed import Comparison, terms, variances_of
from bench.stats.interval import Sample, level_of, sample


@dataclass(frozen=True)
class Strata:
    """The mean difference over tasks, and what its half-width is made of.

    `seed`, `example`, `floor`: A_t, B_t and f_t (..., T). `seeds`, `examples`: numbers of each task (T,).
    `constant`: the tasks on which nothing varies, by their places.
    """

    difference: FloatArray
    seed: FloatArray
    example: FloatArray
    floor: FloatArray
    seeds: tuple[int, ...]
    examples: tuple[int | Sample, ...]
    constant: tuple[int, ...] = ()

    def half_width(self, tail: float | FloatArray) -> FloatArray:
        """h (...) with quantiles that leave the probability `tail` above them."""
        free = np.array(self.seeds) - 1
        tail = np.asarray(tail)
        tested = [sample(one) for one in self.examples]
        square_n = stdtrit(min(float(one.free) for one in tested), tail) ** 2
        known = np.where(free > 0, self.seed, 0.0)
        own = stdtrit(np.maximum(free, 1), tail[..., None]) ** 2
        largest = (own * known).argmax(axis=-1)
        first = np.take_along_axis(own * known, largest[..., None], axis=-1)[..., 0]
        rest = known.sum(axis=-1) - np.take_along_axis(known, largest[..., None], axis=-1)[..., 0]
        pooled = stdtrit(np.maximum(free.sum() - free[largest], 1), tail) ** 2
        squared = first + pooled * rest + square_n * self.example.sum(axis=-1)
        squared = np.maximum(squared, square_n * self.floor.sum(axis=-1))
        for task in self.constant:
            one = tested[task]
            squared = squared + (one.largest * stdtrit(one.free, tail) ** 2 / one.number) ** 2
        return np.asarray(np.sqrt(squared) / len(self.seeds))

    def p(self) -> FloatArray:
        """Two-sided p (...) of no mean difference."""
        size = np.abs(self.difference)
        return np.where(size == 0.0, 1.0, level_of(size, self.half_width))


def strata(comparisons: Sequence[Comparison]) -> Strata:
    """The mean of the differences of some tasks."""
    seeds, examples = (tuple(getattr(one, name) for one in comparisons) for name in ("seeds", "examples"))
    return Strata(
        np.asarray(math.fsum(one.difference for one in comparisons) / len(comparisons)),
        *terms(variances_of(comparisons), np.array(seeds), np.array(examples)),
        seeds,
        tuple(sample(one.examples, one.sizes) for one in comparisons),
        tuple(task for task, one in enumerate(comparisons) if not one.varies),
    )
