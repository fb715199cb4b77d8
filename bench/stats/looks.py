"""Verdicts that are read more than once: planned looks, each of which may use only its share of the 5 %.

Whoever adds seeds until a verdict appears finds a false one in up to 18 % of families with at most 10 seeds, and in up
to 26 % with 20 (`bench calibrate --looks`).
With looks that are planned before the first cell is trained, look k after n_k of at most n_K seeds spends the share

    w_k = (n_k^3 - n_{k-1}^3) / n_K^3,    w_1 + ... + w_K = 1

of the 5 %: few at first, as in a power family of spending functions (Kim and DeMets, 1987, Biometrika 74, 149-154).
A comparison has the p-value of all its looks so far

    min_k p_k / w_k,

which is valid however the looks depend on each other, because a union has at most the sum of probabilities (a weighted
Bonferroni bound). Corrected by Holm over the family, these p-values keep the family-wise error over all looks (Maurer
and Bretz, 2013, Statistics in Biopharmaceutical Research 5, 311-320); they only fall with further looks, so a verdict
stands once it is there.

The exponent and the looks were chosen by power (eight comparisons, at most 10 seeds, true difference such that 10 seeds
in one look find it in 72 %): exponents 1 / 2 / 3 / 4 find 52 / 62 / 66 / 68 %, and 9.3 to 9.5 seeds are used. At a
difference that one look finds in 99 %, they find 94 / 97 / 98 / 98 % with 8.0 / 8.0 / 8.2 / 8.4 seeds. Looks after
every seed find 52 % and 94 % with exponent 3. A confidence sequence that allows any looks (a mixture of t likelihoods)
finds at most 29 %, where these looks find 65.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.arrays import FloatArray

EXPONENT = 3
PLACES = (0.3, 0.5, 0.7, 1.0)  # of the looks, as shares of the largest number of seeds
FIRST_LOOK = 3  # seeds: with two, the variance between seeds has one degree of freedom
FEWEST = 4  # seeds from which there are two looks


def planned_looks(most: int) -> tuple[int, ...]:
    """The numbers of seeds at which to look, ascending: (3, 5, 7, 10) for 10. Raises ValueError below `FEWEST`."""
    if most < FEWEST:
        raise ValueError(f"looks need at least {FEWEST} seeds, not {most}")
    return tuple(sorted({max(FIRST_LOOK, round(most * place)) for place in PLACES}))


def shares(looks: Sequence[int]) -> FloatArray:
    """(K,) The share of the error rate that each look may use; their sum is 1."""
    spent = (np.asarray(looks, np.float64) / looks[-1]) ** EXPONENT
    return np.diff(spent, prepend=0.0)


def reached(seeds: int, looks: Sequence[int]) -> tuple[int, ...]:
    """The looks that so many seeds allow."""
    return tuple(count for count in looks if count <= seeds)


def over_looks(p: Sequence[float], looks: Sequence[int]) -> float:
    """The p-value of a comparison over the looks so far, of which `p` holds the p-values; at most 1."""
    return float(min([1.0, *(value / share for value, share in zip(p, shares(looks), strict=False))]))
