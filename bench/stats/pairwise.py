"""Comparison of all pairs of M methods, from Gram matrices instead of M^2 passes over the scores."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bench.arrays import FloatArray
from bench.stats.crossed import Components, p_values
from bench.stats.folds.variances import effective_shape, fold_covariances, mean_of, partial
from bench.stats.interval import EQUAL, Sample, Sizes, sample

ROUNDING = 1e-12  # differences this small are rounding errors; variances relative to the terms subtracted


class Pairwise(NamedTuple):
    """Row minus column, each (M, M): mean difference, its sample variances, uncorrected p; and seeds and examples."""

    difference: FloatArray
    variances: Components
    p: FloatArray
    size: tuple[int, Sample]


def covariances(scores: FloatArray) -> Components:
    """Covariances (M, M) between methods of scores (M, S, N): of seed means, of example means, and of residuals."""
    if partial(scores):
        return Components(*fold_covariances(scores))
    methods, seeds, examples = scores.shape
    mean = scores.mean(axis=(1, 2))
    seed, example = scores.mean(axis=2) - mean[:, None], scores.mean(axis=1) - mean[:, None]
    by_example = example @ example.T / (examples - 1)
    if seeds == 1:
        unknown = np.full(by_example.shape, math.nan)
        return Components(unknown, by_example, unknown)
    by_seed = seed @ seed.T
    centred = (scores - mean[:, None, None]).reshape(methods, -1)
    residual = centred @ centred.T - examples * by_seed - seeds * (examples - 1) * by_example
    return Components(by_seed / (seeds - 1), by_example, residual / ((seeds - 1) * (examples - 1)))


def of_differences(covariance: FloatArray) -> FloatArray:
    """Variances (M, M) of differences. Rounding errors are set to 0, so that identical methods do not differ."""
    own = np.diagonal(covariance)
    size = own[:, None] + own
    variance = size - 2 * covariance
    return np.where(variance > ROUNDING * size, variance, np.where(np.isnan(variance), math.nan, 0.0))


def differences(scores: FloatArray) -> tuple[FloatArray, Components]:
    """Mean differences (M, M) and their sample variances of all pairs of methods by their scores (M, S, N)."""
    variances = Components(*(of_differences(covariance) for covariance in covariances(scores)))
    mean = mean_of(scores, (1, 2))
    difference = mean[:, None] - mean
    return np.where(np.abs(difference) > ROUNDING, difference, 0.0), variances


def pairwise(scores: FloatArray, sizes: Sizes = EQUAL) -> Pairwise:
    """Compare all pairs of methods by their scores (M, S, N), paired by seed and example; see `crossed`."""
    difference, variances = differences(scores)
    seeds, examples = effective_shape(scores)
    size = seeds, sample(examples, sizes)
    return Pairwise(difference, variances, of_pairs(p_values, difference, variances, *size), size)


def of_pairs(p: Callable[..., FloatArray], difference: FloatArray, variances: Components, *more: Any) -> FloatArray:
    """p-values (M, M), of which `p` computes each pair once; 1 on the diagonal. `more`: its further arguments."""
    upper = np.triu_indices(len(difference), 1)
    values = np.ones(difference.shape)
    values[upper] = p(difference[upper], Components(*(one[upper] for one in variances)), *more)
    return np.minimum(values, values.T)


def one_sided(difference: FloatArray, p: FloatArray) -> FloatArray:
    """One-sided p (M, M) of "column is better than row", from differences row minus column and their two-sided p."""
    return np.where(difference < 0, p / 2, 1 - p / 2)


def sure_correlation(covariance: Components, seeds: int, examples: int) -> FloatArray:
    """Correlations (..., M, M) of M mean differences, counting only the correlation through the examples.

    A few seeds cannot estimate the correlation through seeds. Using that estimate as the truth makes corrections too
    lenient: at 3 seeds, 9 % of families have a false verdict. So seed effects count as independent. A variance between
    seeds that is estimated below 0, as folds may have it, counts as 0.
    """
    own = np.eye(covariance.example.shape[-1])
    seed = np.maximum(np.nan_to_num(covariance.seed), 0.0) * own / seeds
    whole = seed + covariance.example / examples
    scale = np.sqrt(np.diagonal(whole, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    return np.where(own == 1, 1.0, whole / scale[..., :, None] / scale[..., None, :])
