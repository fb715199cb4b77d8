"""Do these trained models differ on the population of the test rows? The tests say nothing about new seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import bdtr

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.stats.crossed import cluster_sums


class Discordant(NamedTuple):
    """Numbers of rows that only one of two models gets right, and the exact two-sided p of McNemar's test."""

    a_alone: int
    b_alone: int
    p: float


def mcnemar(a: BoolArray, b: BoolArray) -> Discordant:
    """Compare the correctness (N,) of two models (McNemar, 1947); p is 1 without discordant rows.

    Under the null, each model is the correct one in a discordant row with probability 1/2.
    """
    a_alone, b_alone = int((a & ~b).sum()), int((b & ~a).sum())
    tail = float(bdtr(min(a_alone, b_alone), a_alone + b_alone, 0.5)) if a_alone + b_alone else 1.0
    return Discordant(a_alone, b_alone, min(1.0, 2 * tail))


def label_swap(a: BoolArray, b: BoolArray, clusters: IntArray | None = None) -> float:
    """Two-sided p of the permutation test that swaps the two methods per example, in all seeds together.

    Exact if the methods are exchangeable on each example, which says more than that they are equally accurate.

    For correctness (S, N) the statistic is the sum of D = a - b. All D of an example change sign together, which keeps
    their dependence over seeds. So the null distribution is that of sum_n +-t_n with t_n = |sum_s D_sn|, a convolution
    of scaled binomials. Changing the sign of each D on its own would treat seeds as new examples.
    """
    total = (a.astype(np.int64) - b).sum(axis=0)
    if clusters is not None:  # all D of a cluster change sign together
        total = cluster_sums(total, clusters)
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
    from scipy.stats import binom

    sums = size * (2 * np.arange(count + 1) - count)
    chance = binom.pmf(np.arange(count + 1), count, 0.5)
    reach = size * count
    out = np.zeros(len(mass) + 2 * reach)
    for shift, weight in zip(sums + reach, chance, strict=True):
        if weight > 0:
            out[shift : shift + len(mass)] += weight * mass
    return out


def per_seed(a: BoolArray, b: BoolArray) -> list[Discordant]:
    """McNemar's test at each seed of correctness (S, N)."""
    return [mcnemar(one, other) for one, other in zip(a, b, strict=True)]
