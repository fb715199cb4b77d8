"""Do these trained models differ on the population that the test rows come from? Nothing here speaks of new seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, gammaln

from bench.arrays import BoolArray, FloatArray


class Discordant(NamedTuple):
    """Rows that one model alone gets right, and the exact two-sided p of McNemar's test (1 without such rows)."""

    a_alone: int
    b_alone: int
    p: float


def mcnemar(a: BoolArray, b: BoolArray) -> Discordant:
    """Compare the correctness (N,) of two models: under the null a discordant row is a fair coin (McNemar, 1947)."""
    a_alone, b_alone = int((a & ~b).sum()), int((b & ~a).sum())
    tail = float(bdtr(min(a_alone, b_alone), a_alone + b_alone, 0.5)) if a_alone + b_alone else 1.0
    return Discordant(a_alone, b_alone, min(1.0, 2 * tail))


def label_swap(a: BoolArray, b: BoolArray) -> float:
    """Exact two-sided p of swapping the two methods' names per example, jointly over all seeds.

    For correctness (S, N) the statistic is the sum of D = a - b. An example's D keep their dependence over seeds,
    since they change sign together; so the null distribution is that of sum_n +-t_n with t_n = |sum_s D_sn|, a
    convolution of scaled binomials. Flipping each D on its own instead would treat seeds as new examples.
    """
    total = (a.astype(np.int64) - b).sum(axis=0)
    sizes = np.bincount(np.abs(total))
    mass = np.ones(1)
    for size in range(1, len(sizes)):
        if sizes[size]:
            mass = spread(mass, size, int(sizes[size]))
    reach = (len(mass) - 1) // 2
    sums = np.arange(-reach, reach + 1)
    return float(min(1.0, mass[np.abs(sums) >= abs(int(total.sum()))].sum()))


def spread(mass: FloatArray, size: int, count: int) -> FloatArray:
    """The distribution of a sum with `count` more terms of +-size; `mass` is over the integers around 0."""
    sums = size * (2 * np.arange(count + 1) - count)
    chance = np.exp(log_binomial(count) - count * np.log(2))
    reach = size * count
    out = np.zeros(len(mass) + 2 * reach)
    for shift, weight in zip(sums + reach, chance, strict=True):
        if weight > 0:
            out[shift : shift + len(mass)] += weight * mass
    return out


def log_binomial(count: int) -> FloatArray:
    """log of the binomial coefficients of `count`."""
    k = np.arange(count + 1)
    return np.asarray(gammaln(count + 1) - gammaln(k + 1) - gammaln(count - k + 1))


def per_seed(a: BoolArray, b: BoolArray) -> list[Discordant]:
    """McNemar's test at each seed of correctness (S, N)."""
    return [mcnemar(one, other) for one, other in zip(a, b, strict=True)]
