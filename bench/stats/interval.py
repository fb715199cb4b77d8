"""Mean, standard deviation and their intervals, of one number per seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, stdtrit

LEVEL = 0.95  # of every interval in the reports


@dataclass(frozen=True)
class Interval:
    """Mean, sd and interval of a metric over n seeds; sd and interval are NaN for one seed, everything is for none."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


def t_interval(
    values: Sequence[float],
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    overlap: float = 0.0,
) -> Interval:
    """mean +- t_{(1 + level)/2, n - 1} sd sqrt(1/n + overlap), sd with n - 1 in its denominator.

    `overlap` is the ratio of test to training rows where the values are those of folds, which share training rows
    (Nadeau and Bengio, 2003, Machine Learning 52, 239-281).

    The interval is for new seeds on the same test rows; see `crossed` for differences between methods. It is cut at
    `bounds`, the range of values that the metric can take, which does not change its coverage.
    """
    n = len(values)
    mean = float(np.mean(values)) if n else math.nan
    if n < 2:
        return Interval(n, mean, math.nan, math.nan, math.nan)
    sd = float(np.std(values, ddof=1))
    half = float(stdtrit(n - 1, (1 + level) / 2)) * sd * math.sqrt(1 / n + overlap)
    return Interval(n, mean, sd, max(mean - half, bounds[0]), min(mean + half, bounds[1]))


@dataclass(frozen=True)
class Spread:
    """Standard deviation over `n` draws, and its 95 % interval; NaN for fewer than two draws."""

    n: int
    sd: float
    low: float
    high: float


def spread_of(values: Sequence[float]) -> Spread:
    """The standard deviation (n - 1 in its denominator) of draws, with the chi-square interval of normal values.

    If all draws are equal, nothing is known but that the source hardly matters: the interval is [0, 0].
    """
    n = len(values)
    if n < 2:
        return Spread(n, math.nan, math.nan, math.nan)
    sd = float(np.std(np.asarray(values, np.float64), ddof=1))
    tail = (1 - LEVEL) / 2
    ends = (sd * math.sqrt((n - 1) / float(chdtri(n - 1, place))) for place in (tail, 1 - tail))
    return Spread(n, sd, *ends)
