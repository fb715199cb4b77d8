"""The power of a verdict: how often it is right at a true difference, and the difference that it needs for 80 %.

The verdict is the one that the report gives: corrected over its family, each variance with a t quantile of its own, and
*equivalent* before *better* and *worse*. Holm's first step tests at 5 % / family. Its power holds whatever the other
methods do; later steps are easier. With Gaussian effects the mean difference is normal and independent of s2_seed,
which is a multiple of chi-square with S - 1 degrees of freedom. So the power is a mean over quantiles of that
distribution. The variances over rows count as known: their thousands of degrees of freedom hardly matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache

import numpy as np
from scipy.special import chdtri, ndtr

from bench.arrays import FloatArray, IntArray, Value, Whole
from bench.stats.crossed import (
    Comparison,
    Components,
    half_width,
    numbers,
    variances_of,
    varying,
    width,
)
from bench.stats.equivalence import reach
from bench.stats.interval import LEVEL, Sample, sample

POWER = 0.8
CONFIDENCE = 0.8  # of the intervals that reflect how well the variances are known
STEPS = 128  # quantiles of the variance between seeds over which the power is averaged


@dataclass(frozen=True)
class Effects:
    """Variances of the effects on a difference: of a seed, of an example, and of one example at one seed.

    Each is a number, or an array (...) for several differences. Of one seed nothing is known about others: `example` is
    the whole variance of an example at this seed, and the others are 0. `within` (in a cross-validation): the variance
    of a seed's mean that is due to the rows of its fold, see `in_folds`.
    """

    seed: Value
    example: Value
    rest: Value
    within: Value = 0.0

    def expected(self, seeds: Whole, examples: Whole) -> Components:
        """The sample variances (...) expected for these numbers of seeds and examples."""
        values = (self.seed + self.rest / examples, self.example + self.rest / seeds, self.rest)
        return Components(*map(np.asarray, values))

    def variance(self, seeds: Whole, examples: Whole) -> Value:
        """Variance (...) of the mean difference."""
        return self.seed / seeds + self.example / examples + self.rest / np.multiply(seeds, examples)


def in_folds(truth: Effects, folds: int, seeds: Whole, rows: Whole) -> tuple[Effects, IntArray]:
    """Variances and number of examples of a cross-validation of some rows, as `bench.stats.folds.variances` has them.

    Each seed tests one of the folds, so that fewer seeds than folds test some of the rows only, and more seeds test
    rows again. The variance between seeds is what is left of that of their means without the part of their rows.
    """
    tested = rows * np.minimum(seeds, folds) / folds
    one = truth.example + truth.rest  # variance of a row at one seed
    own = truth.example + truth.rest / np.maximum(1.0, seeds / folds)
    examples = np.maximum(2, np.rint(tested * (1 - 1 / folds))).astype(np.int64)
    return replace(truth, example=own, rest=0.0, within=one * folds / rows), examples


@dataclass(frozen=True)
class Detectable:
    """The true difference that the verdict finds with 80 % power, and its 80 % interval over the variances."""

    difference: float
    low: float
    high: float


def effects(results: Sequence[Comparison], seed_factor: Value = 1.0, row_factor: Value = 1.0) -> Effects:
    """The variances (K,) that K comparisons estimate; the factors multiply sample variances of seeds and over rows."""
    seeds, tested = numbers(results)
    examples = tested.number
    variances, within = variances_of(results), np.array([one.components.get("within", 0.0) for one in results])
    several = seeds > 1
    seed, rest = (np.where(several, one, 0.0) for one in (variances.seed, variances.interaction))
    own_seed = np.maximum(seed * seed_factor - rest / examples, 0.0)
    own_row = np.maximum(variances.example - rest / seeds, 0.0)
    return Effects(own_seed, row_factor * own_row, row_factor * rest, within=row_factor * within)


def with_extremes(results: Sequence[Comparison]) -> Effects:
    """The variances (3, K) of K comparisons: estimated, small and large.

    The latter are the ends of the 80 % intervals of s2_seed and of the variances over rows. A difference of correctness
    is -1, 0 or 1. If it is not 0 in K rows, its variance is as uncertain as one with about 2 K degrees of freedom,
    however many rows agree.
    """
    seeds, tested = numbers(results)
    rows = np.maximum(1.0, np.minimum(tested.free, 2 * tested.number * variances_of(results).example))
    freedoms, tail = (np.maximum(seeds - 1.0, 1.0), rows), (1 - CONFIDENCE) / 2
    ends = [effects(results, *(factor(freedom, end) for freedom in freedoms)) for end in (tail, 1 - tail)]
    columns = zip(*(astuple(one) for one in (effects(results), *ends)), strict=True)
    return Effects(*map(np.stack, columns))


def factor(freedom: Value, tail: float) -> Value:
    """True variance over sample variance where chi-square exceeds its quantile with `tail` above it."""
    quantile: Value = np.asarray(chdtri(freedom, tail))
    return freedom / quantile


@cache
def quantiles(freedom: int) -> FloatArray:
    """(STEPS,) Sample variances, divided by the true one, at evenly spaced probabilities; ones for no freedom."""
    places = (np.arange(STEPS) + 0.5) / STEPS
    return np.asarray(chdtri(freedom, places) / freedom) if freedom else np.ones(STEPS)


def reaches(truth: Effects, seeds: Whole, examples: Whole | Sample, family: Whole) -> tuple[FloatArray, FloatArray]:
    """(..., STEPS) distances of an estimate from 0 and from a margin that exclude them, corrected over the family.

    They vary with the sample variance between seeds, which is never below 0.
    """
    counts = np.asarray(seeds)
    drawn = np.stack([quantiles(count - 1) for count in counts.ravel().tolist()]).reshape(*counts.shape, STEPS)
    tested = sample(examples)
    one = Components(*(value[..., None] for value in truth.expected(seeds, tested.number)))
    within, seeds, family = (np.asarray(one)[..., None] for one in (truth.within, seeds, family))
    tested = Sample(*(np.asarray(one)[..., None] for one in tested))
    spread = one._replace(seed=np.maximum((one.seed + within) * drawn - within, 0.0))
    tail = (1 - LEVEL) / 2 / family
    half = half_width(spread, seeds, tested, tail)
    return half, reach(half, tested, tail)


def power(
    truth: Effects, seeds: Whole, examples: Whole | Sample, difference: Value, *, delta: float, family: Whole = 1
) -> FloatArray:
    """The probability (...) of a right verdict at the true `difference`.

    Right are *better* or *worse* with its sign, and *equivalent* if it is within +-delta.
    """
    from_zero, from_margin = reaches(truth, seeds, examples, family)
    size, room = np.abs(difference)[..., None], delta - from_margin  # within `room` of 0 an estimate is *equivalent*
    sd = np.maximum(np.sqrt(truth.variance(seeds, sample(examples).number)), 1e-300)[..., None]
    found = ndtr((size - np.maximum(from_zero, room)) / sd)
    if (size <= delta).any():
        same = ndtr((room - size) / sd) - ndtr((-room - size) / sd)
        found = found + np.where((size <= delta) & (room > 0), same, 0.0)
    return np.asarray(found.mean(axis=-1))


def detectable(results: Sequence[Comparison], *, delta: float, family: Whole = 1) -> list[Detectable]:
    """The smallest true difference for which *better* or *worse* has 80 % power in the design of each comparison."""
    if not results:
        return []
    (seeds, examples), truth = numbers(results), with_extremes(results)
    from_zero, from_margin = reaches(truth, seeds, examples, family)
    needed = np.maximum(from_zero, delta - from_margin)  # closer to 0 the verdict is *equivalent*
    sd = np.asarray(np.sqrt(truth.variance(seeds, examples.number)))
    most, scale = needed.max(axis=-1), np.where(sd > 0, sd, 1.0)[..., None]
    low, high = np.zeros(sd.shape), most + 2 * sd
    for _ in range(24):
        middle = (low + high) / 2
        enough = ndtr((middle[..., None] - needed) / scale).mean(axis=-1) >= POWER
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    # Variances of 0 are no estimate: less than the interval excludes cannot be seen.
    variances = variances_of(results)
    least = width(variances, seeds, examples, (1 - LEVEL) / 2 / np.asarray(family))
    found = np.where(varying(variances), np.where(sd > 0, high, most), least)
    # A small difference is equivalent first, which reverses the ends.
    return [Detectable(ends[0], min(ends), max(ends)) for ends in found.T.tolist()]
