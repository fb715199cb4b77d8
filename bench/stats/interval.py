"""Mean, standard deviation and their intervals, of one number per seed; and the level at which an interval ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, stdtrit

from bench.arrays import FloatArray, Value, Whole

LEVEL = 0.95  # of every interval in the reports
LEAST = 1e-300  # level, the smallest p-value
TOLERANCE, STEPS, FAR = 1e-14, 40, 1e3  # of the search for a level; FAR: more than any logarithm of two numbers' ratio


class Sizes(NamedTuple):
    """How unequal the examples of a test are, which are M clusters of n_g rows, N in all; both are 1 if they are equal.

    `unequal`: M sum n_g^2 / N^2. As many equal clusters as M / unequal say as much (Kish, 1965, Survey Sampling).
    `largest`: max n_g M / N, the largest score that a difference of correctness can have on a cluster.
    """

    unequal: Value = 1.0
    largest: Value = 1.0


EQUAL = Sizes()


class Sample(NamedTuple):
    """The examples of a test: their number, the degrees of freedom of a variance over them, and `Sizes.largest`."""

    number: Whole
    free: Value
    largest: Value = 1.0


def sample(examples: Whole | Sample, sizes: Sizes = EQUAL) -> Sample:
    """The examples of a test by their number; a sample as it is. The degrees of freedom are 1 at least."""
    if isinstance(examples, Sample):
        return examples
    return Sample(examples, np.maximum(examples / np.asarray(sizes.unequal) - 1, 1), sizes.largest)


@dataclass(frozen=True)
class Interval:
    """Mean, sd and interval of a metric over n seeds; sd and interval are NaN for one seed, everything is for none."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def rounding(rows: Value | Whole) -> Value:
    """The variance that rounding adds to a share of rows: a count is rounded, with variance 1/12."""
    return 1 / (12 * rows**2)


def t_interval(
    values: Sequence[float],
    bounds: tuple[float, float] = (-math.inf, math.inf),
    overlap: float = 0.0,
    rows: float = math.inf,
) -> Interval:
    """mean +- t_{0.975, n - 1} sqrt(sd^2 + rounding) sqrt(1/n + overlap), sd with n - 1 in its denominator.

    `rows`: of which each value is a share, so that it is rounded, see `rounding`; else seeds that tie, as they do on a
    few hundred rows, would leave no doubt. `overlap` is the ratio of test to training rows where the values are those
    of folds, which share training rows (Nadeau and Bengio, 2003, Machine Learning 52, 239-281).

    The interval is for new seeds on the same test rows; see `crossed` for differences between methods. It is cut at
    `bounds`, the range of values that the metric can take, which does not change its coverage.
    """
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Interval(n, mean, math.nan, math.nan, math.nan)
    sd = float(np.std(values, ddof=1))
    spread = math.hypot(sd, math.sqrt(rounding(rows)))
    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * spread * math.sqrt(1 / n + overlap)
    return Interval(n, mean, sd, max(mean - half, bounds[0]), min(mean + half, bounds[1]))


UNKNOWN = t_interval([])  # of no value


@dataclass(frozen=True)
class Spread:
    """Standard deviation over `n` draws, and its 95 % interval; NaN for fewer than two draws."""

    n: int
    sd: float
    low: float
    high: float


def spread_of(values: Sequence[float], rounded: float) -> Spread:
    """The standard deviation (n - 1 in its denominator) of draws, with the chi-square interval of normal values.

    `rounded`: the variance that rounding adds to a draw, see `rounding`. It may be part of what is seen, and may hide
    as much: the lower end is without it, the upper end has it in addition.
    """
    n = len(values)
    if n < 2:
        return Spread(n, math.nan, math.nan, math.nan)
    sd = float(np.std(np.asarray(values, np.float64), ddof=1))
    tail = (1 - LEVEL) / 2
    ends = ((max(sd**2 - rounded, 0.0), tail), (sd**2 + rounded, 1 - tail))
    low, high = (math.sqrt(variance * (n - 1) / float(chdtri(n - 1, place))) for variance, place in ends)
    return Spread(n, sd, low, high)


def level_of(distance: FloatArray, half: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """The level (...) at which an interval just reaches a distance; `half` gives its half-width at a tail, level/2.

    By false position (Anderson and Bjorck, 1973, BIT 13, 253-264) on the logarithm of the half-width as a function of
    w = log(-log level). Its slope is above 1/2, so a step of twice what is missing leads beyond the level.
    """
    most = math.log(-math.log(LEAST))

    def excess(w: FloatArray) -> FloatArray:
        missing = np.log(half(np.exp(-np.exp(w)) / 2)) - goal
        return np.asarray(np.maximum(np.fmin(missing, FAR), -FAR))  # fmin takes NaN for FAR

    with np.errstate(all="ignore"):
        goal = np.log(distance)
        a = np.full(distance.shape, math.log(-math.log(1 - LEVEL)))
        at_a = excess(a)
        b = np.minimum(a - 2 * at_a, most)
        at_b = excess(b)
        beyond = (b == most) & (at_b < 0)
        for _ in range(STEPS):
            wrong = ~beyond & (np.abs(at_b) * np.minimum(np.exp(b), 1) > TOLERANCE)
            if not wrong.any():
                break
            c = np.where(wrong, b - at_b * (b - a) / (at_b - at_a), b)
            at_c = excess(c)
            passed, rest = at_c * at_b < 0, 1 - at_c / at_b
            a, at_a = np.where(passed, b, a), np.where(passed, at_b, np.where(rest > 0, rest, 0.5) * at_a)
            b, at_b = c, at_c
        return np.where(beyond, LEAST, np.exp(-np.exp(b)))
