"""Variances of a difference in a repeated cross-validation, in which each seed tests one fold and trains on the others.

Scores are (..., J, N): J seeds, N real rows, NaN where a seed does not test a row. With d_j the mean difference of seed
j on its n_j rows, and r_n the mean difference of row n over the seeds that test it,

    h^2 = t_{J-1}^2 A/J + t_{N-1}^2 s2_row/N',    A = max(s2(d_j) - mean_j(s2_within,j / n_j), 0)

A is the variance between seeds beyond that of their rows. s2_row is the sample variance of r_n, and N' = N (K-1)/K the
number of rows that a fold trains on. It stands in place of N because the rows that test are also those that teach: the
variance is corrected by the factor 1 + 1/(K-1), with 1/(K-1) the ratio of test to training rows, as Nadeau and Bengio
(2003, Machine Learning 52, 239-281) correct that of repeated splits. Theirs knows the means of splits alone, so it has
J - 1 degrees of freedom: it covers the truth in 95 to 100 % of cases, and is 1.5 times as wide. A t interval
over the splits without a correction covers it in 75 to 96 %. docs/evidence.md has the table.

So the variances are those of `crossed` with J seeds and N' rows, and without an interaction.
"""

from __future__ import annotations

import math

import numpy as np

from bench.arrays import FloatArray


def partial(scores: FloatArray) -> bool:
    """Whether some seed does not test some row."""
    return bool(np.isnan(scores).any())


def effective_shape(scores: FloatArray) -> tuple[int, int]:
    """J and N' of scores (..., J, N); S and N where every seed tests every row. Rows without any test do not count."""
    seeds, examples = scores.shape[-2:]
    if not partial(scores):
        return seeds, max(2, examples)
    tested = ~np.isnan(scores.reshape(-1, seeds, examples)).any(axis=0)
    return seeds, max(2, round(float(tested.any(axis=0).sum() * (1 - tested.mean()))))


def mean_of(scores: FloatArray, axis: tuple[int, ...]) -> FloatArray:
    """The mean (...) of scores over axes, without those that are NaN."""
    return np.asarray(np.nanmean(scores, axis=axis) if partial(scores) else scores.mean(axis=axis))


def fold_covariances(scores: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Covariances (M, M) between methods of scores (M, J, N): between seeds beyond rows, between rows, and zeros.

    The first is NaN for one seed. A variance of a difference may be below 0, which stands for 0.
    """
    tested = ~np.isnan(scores).any(axis=0)
    filled = np.where(tested, scores, 0.0)
    count = tested.sum(axis=1)
    seed = filled.sum(axis=2) / count
    known = tested.any(axis=0)
    row = filled.sum(axis=1)[:, known] / tested.sum(axis=0)[known]
    by_row = np.atleast_2d(np.cov(row))
    if len(count) == 1:
        return np.full(by_row.shape, math.nan), by_row, np.full(by_row.shape, math.nan)
    within = np.where(tested, filled - seed[:, :, None], 0.0)
    rows_part = np.einsum("ajn,bjn,j->ab", within, within, 1 / (count * np.maximum(count - 1, 1))) / len(count)
    return np.atleast_2d(np.cov(seed)) - rows_part, by_row, np.zeros(by_row.shape)


def fold_variances(scores: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The variances () of one difference (J, N), as in `fold_covariances`."""
    seed, row, interaction = (covariance[0, 0] for covariance in fold_covariances(scores[None]))
    return np.maximum(seed, 0.0), row, interaction


def of_folds(scores: FloatArray) -> dict[str, float]:
    """`within`, the variance of a seed's mean that is due to its rows, of a difference (J, N); empty without folds."""
    if not partial(scores):
        return {}
    count = (~np.isnan(scores)).sum(axis=1)
    squares = np.nansum((scores - np.nanmean(scores, axis=1, keepdims=True)) ** 2, axis=1)
    return {"within": float((squares / (count * np.maximum(count - 1, 1))).mean())}


def overlap(folds: int) -> float:
    """The ratio of test to training rows, by which the variance of a mean over splits is larger; 0 for no folds."""
    return 1 / (folds - 1) if folds else 0.0
