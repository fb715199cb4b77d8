"""Corrections for multiple comparisons, and the group of methods that may be the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.arrays import FloatArray


def holm(p: Sequence[float]) -> FloatArray:
    """Holm's step-down p-values: max over the smaller ones of (m - rank + 1) p, at most 1 (Holm, 1979).

    NaN: a planned comparison without a result. It counts in m, so that a failed cell never makes the others look
    better; its own corrected value is NaN.
    """
    values = np.asarray(p, np.float64)
    filled = np.nan_to_num(values, nan=1.0)
    order = np.argsort(filled, kind="stable")
    stepped = np.maximum.accumulate(filled[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(stepped, 1.0)
    return np.where(np.isnan(values), np.nan, corrected)


def benjamini_hochberg(p: Sequence[float]) -> FloatArray:
    """p-values adjusted for the false discovery rate (Benjamini and Hochberg, 1995). NaN as in `holm`."""
    from scipy.stats import false_discovery_control

    values = np.asarray(p, np.float64)
    if not len(values):
        return values
    return np.where(np.isnan(values), np.nan, false_discovery_control(np.nan_to_num(values, nan=1.0)))


CORRECTIONS: Mapping[str, Callable[[Sequence[float]], FloatArray]] = {"holm": holm, "bh": benjamini_hochberg}


def max_t(p: Sequence[float], correlation: FloatArray, draws: int = 20_000) -> FloatArray:
    """Step-down p-values that use the correlation (M, M) of the estimates (Westfall and Young, 1993, minimum p).

    Each p is treated as that of a normal score. At each step, the corrected value is the probability that the smallest
    p of the remaining comparisons is as small, by simulation with a fixed seed, and at most Bonferroni's bound. NaN as
    in `holm`.
    """
    values = np.asarray(p, np.float64)
    filled = np.nan_to_num(values, nan=1.0)
    order = np.argsort(filled, kind="stable")
    root = np.linalg.cholesky(correlation + 1e-9 * np.eye(len(filled)))
    scores = np.abs(root @ np.random.default_rng(0).standard_normal((len(filled), draws)))
    corrected, before = np.empty(len(filled)), 0.0
    for step, place in enumerate(order):
        rest = order[step:]
        exceeded = int((scores[rest].max(axis=0) >= -ndtri(filled[place] / 2)).sum())
        chance = max((1 + exceeded) / (1 + draws), filled[place])
        before = max(before, min(chance, len(rest) * filled[place], 1.0))
        corrected[place] = before
    return np.where(np.isnan(values), np.nan, corrected)


def best_group(one_sided: FloatArray, alpha: float) -> NDArray[np.bool_]:
    """(M,) which methods may be the best: none of the other M - 1 beats them at alpha / (M - 1).

    one_sided[i, j] is the one-sided p of "j is better than i". The best method is left out with probability at most
    alpha, because that requires the rejection of one of M - 1 true nulls (multiple comparisons with the best, Hsu,
    1981, with Bonferroni's bound).
    """
    others = max(len(one_sided) - 1, 1)
    beaten = (one_sided < alpha / others) & ~np.eye(len(one_sided), dtype=bool)
    return np.asarray(~beaten.any(axis=1))
