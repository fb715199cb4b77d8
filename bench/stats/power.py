"""The power of a verdict: how often it is right at a true difference, and the difference that it needs for 80 %.

The verdict is the one that the report gives: corrected over its family, each variance with a t quantile of its own, and
*equivalent* before *better* and *worse*. Holm's first step tests at 5 % / family. Its power holds whatever the other
methods do; later steps are easier. With Gaussian effects the mean difference is normal and independent of s2_seed,
which is a multiple of chi-square with S - 1 degrees of freedom. So the power is a mean over quantiles of that
distribution. The variances over rows count as known: their thousands of degrees of freedom hardly matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import chdtri, ndtr

from bench.arrays import FloatArray
from bench.stats.crossed import Comparison, Components, half_width, width
from bench.stats.equivalence import reach
from bench.stats.interval import LEVEL

POWER = 0.8
CONFIDENCE = 0.8  # of the intervals that reflect how well the variances are known
STEPS = 128  # quantiles of the variance between seeds over which the power is averaged


@dataclass(frozen=True)
class Effects:
    """Variances of the effects on a difference: of a seed, of an example, and of one example at one seed.

    `one_seed`: there is no variance between seeds; `example` is the whole variance of an example at this seed. `within`
    (in a cross-validation): the variance of a seed's mean that is due to the rows of its fold, see `in_folds`.
    """

    seed: float
    example: float
    rest: float
    one_seed: bool = False
    within: float = 0.0

    def expected(self, seeds: int, examples: int) -> Components:
        """The sample variances expected for this number of seeds and examples."""
        if self.one_seed:
            return Components(np.asarray(math.nan), np.asarray(self.example), np.asarray(math.nan))
        values = (self.seed + self.rest / examples, self.example + self.rest / seeds, self.rest)
        return Components(*map(np.asarray, values))

    def variance(self, seeds: int, examples: int) -> float:
        """Variance of the mean difference."""
        return self.seed / seeds + self.example / examples + self.rest / (seeds * examples)


def in_folds(truth: Effects, folds: int, seeds: int, rows: int) -> tuple[Effects, int]:
    """Variances and number of examples of a cross-validation of some rows, as `bench.stats.folds.variances` has them.

    Each seed tests one of the folds, so that fewer seeds than folds test some of the rows only, and more seeds test
    rows again. The variance between seeds is what is left of that of their means without the part of their rows.
    """
    tested = rows * min(seeds, folds) / folds
    one = truth.example + truth.rest  # variance of a row at one seed
    own = truth.example + truth.rest / max(1.0, seeds / folds)
    return replace(truth, example=own, rest=0.0, within=one * folds / rows), max(2, round(tested * (1 - 1 / folds)))


@dataclass(frozen=True)
class Detectable:
    """The true difference that the verdict finds with 80 % power, and its 80 % interval over the variances."""

    difference: float
    low: float
    high: float


def effects(result: Comparison, seed_factor: float = 1.0, row_factor: float = 1.0) -> Effects:
    """The variances that a comparison estimates; the factors multiply its sample variances of seeds and over rows."""
    seed, example, rest = (result.components[name] for name in Components._fields)
    if result.conditional:
        return Effects(0.0, example * row_factor, 0.0, one_seed=True)
    own_seed = max(seed * seed_factor - rest / result.examples, 0.0)
    own_row, within = max(example - rest / result.seeds, 0.0), result.components.get("within", 0.0)
    return Effects(own_seed, row_factor * own_row, row_factor * rest, within=row_factor * within)


def extremes(result: Comparison) -> tuple[Effects, Effects]:
    """Small and large variances: the ends of the 80 % intervals of s2_seed and of the variances over rows.

    A difference of correctness is -1, 0 or 1. If it is not 0 in K rows, its variance is as uncertain as one with about
    2 K degrees of freedom, however many rows agree.
    """
    rows = max(1.0, min(result.examples - 1.0, 2 * result.examples * result.components["example"]))
    tail = (1 - CONFIDENCE) / 2
    small, large = (
        effects(result, *(factor(freedom, end) for freedom in (max(result.seeds - 1.0, 1.0), rows)))
        for end in (tail, 1 - tail)
    )
    return small, large


def factor(freedom: float, tail: float) -> float:
    """True variance over sample variance where chi-square exceeds its quantile with `tail` above it."""
    return freedom / float(chdtri(freedom, tail))


@cache
def quantiles(freedom: int) -> FloatArray:
    """(STEPS,) Sample variances, divided by the true one, at evenly spaced probabilities."""
    return np.asarray(chdtri(freedom, (np.arange(STEPS) + 0.5) / STEPS) / freedom)


def reaches(truth: Effects, seeds: int, examples: int, family: int) -> tuple[FloatArray, FloatArray]:
    """(STEPS,) distances of an estimate from 0 and from a margin that exclude them, corrected over the family.

    They vary with the sample variance between seeds, which is never below 0.
    """
    one = truth.expected(seeds, examples)
    drawn = quantiles(seeds - 1) if seeds > 1 else np.ones(1)
    spread = one._replace(seed=np.maximum((one.seed + truth.within) * drawn - truth.within, 0.0))
    tail = (1 - LEVEL) / 2 / family
    half = half_width(spread, seeds, examples, tail)
    return half, reach(half, examples, tail)


def power(truth: Effects, seeds: int, examples: int, difference: float, *, delta: float, family: int = 1) -> float:
    """The probability of a right verdict at the true `difference`.

    Right are *better* or *worse* with its sign, and *equivalent* if it is within +-delta.
    """
    from_zero, from_margin = reaches(truth, seeds, examples, family)
    size, room = abs(difference), delta - from_margin  # an estimate within `room` of 0 is called *equivalent*
    sd = math.sqrt(truth.variance(seeds, examples)) or 1e-300
    found = ndtr((size - np.maximum(from_zero, room)) / sd)
    if size <= delta:
        found += np.where(room > 0, ndtr((room - size) / sd) - ndtr((-room - size) / sd), 0.0)
    return float(found.mean())


def detectable(result: Comparison, *, delta: float, family: int = 1) -> Detectable:
    """The smallest true difference for which *better* or *worse* has 80 % power in this design."""

    def smallest(truth: Effects) -> float:
        from_zero, from_margin = reaches(truth, result.seeds, result.examples, family)
        needed = np.maximum(from_zero, delta - from_margin)  # closer to 0 the verdict is *equivalent*
        sd = math.sqrt(truth.variance(result.seeds, result.examples))
        low, high = 0.0, float(needed.max()) + 2 * sd
        for _ in range(24 if sd > 0 else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if ndtr((middle - needed) / sd).mean() >= POWER else (middle, high)
        return high

    if not result.varies:  # variances of 0 are no estimate: less than the interval excludes cannot be seen
        variances = Components(*(np.asarray(result.components[name]) for name in Components._fields))
        least = width(variances, result.seeds, result.examples, (1 - LEVEL) / 2 / family)
        return Detectable(least, least, least)
    found = smallest(effects(result))
    ends = [found, *map(smallest, extremes(result))]  # a small difference is equivalent first, which reverses the ends
    return Detectable(found, min(ends), max(ends))
