"""A power law through an error at several numbers of labelled rows: error(n) = a + b n^-c.

Learning curves of classifiers are often close to this form (Viering and Loog, 2021, "The shape of learning curves: a
review", section 4). a >= 0, b >= 0 and c on a grid; for each c, a and b are least squares with these bounds, in closed
form, so a fit cannot get stuck.

Intervals come from fits to errors drawn around the observed ones. Seeds and test examples are the same at all sizes, so
their effects are correlated between sizes: draws have the covariance of seed means, scaled by S - 1 degrees of freedom,
and that of example means, as the half-widths in `crossed`. They do not cover a curve of another form, so a forecast is
given up to `FARTHEST` times the largest size only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bench.arrays import FloatArray
from bench.stats.folds.variances import effective_shape
from bench.stats.interval import LEVEL
from bench.stats.pairwise import covariances

FEWEST_SIZES = 4  # three parameters, and one more
FARTHEST = 4.0  # times the largest size: no forecast beyond
EXPONENTS = np.arange(0.1, 1.501, 0.02)
DRAWS = 1_000


@dataclass(frozen=True)
class Laws:
    """Parameters of R fits, (R,) each."""

    floor: FloatArray
    scale: FloatArray
    exponent: FloatArray

    def error(self, size: float) -> FloatArray:
        """(R,) errors at a number of rows."""
        return np.asarray(self.floor + self.scale * size**-self.exponent)

    def size(self, error: FloatArray) -> FloatArray:
        """(R,) the numbers of rows at which the errors (R,) are reached; infinite where they never are."""
        room = error - self.floor
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = (self.scale / room) ** (1 / self.exponent)
        return np.where((room > 0) & (self.scale > 0), found, math.inf)


@dataclass(frozen=True)
class Forecast:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """Errors (K,) at K sizes, ascending, their fit, and fits to errors drawn around them. `seeds`: S."""

    sizes: FloatArray
    errors: FloatArray
    law: Laws
    draws: Laws
    seeds: int

    def error(self, size: float) -> Forecast:
        """The error at a number of rows."""
        return between(float(self.law.error(size)[0]), self.draws.error(size))

    def gain(self, size: float) -> Forecast:
        """How much lower the fitted error is at a number of rows than at the largest size."""
        last = float(self.sizes[-1])
        value = float((self.law.error(last) - self.law.error(size))[0])
        return between(value, self.draws.error(last) - self.draws.error(size))

    def rows_for(self, gain: float) -> Forecast:
        """The number of rows at which the fitted error is lower by `gain` than at the largest size, maybe infinite."""
        last = float(self.sizes[-1])
        value = float(self.law.size(self.law.error(last) - gain)[0])
        return between(value, self.draws.size(self.draws.error(last) - gain))


def between(value: float, draws: FloatArray) -> Forecast:
    """The value with the quantiles of draws that may be infinite."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], method="inverted_cdf")
    return Forecast(value, float(low), float(high))


def fit(sizes: FloatArray, errors: FloatArray) -> Laws:
    """The least-squares law through each row of errors (R, K)."""
    best = np.full(len(errors), math.inf)
    found = np.zeros((3, len(errors)))
    for exponent in EXPONENTS:
        x = sizes**-exponent
        centred = x - x.mean()
        scale = np.maximum(errors @ centred / (centred @ centred), 0.0)
        floor = errors.mean(axis=1) - scale * x.mean()
        without_floor = np.maximum(errors @ x / (x @ x), 0.0)
        scale, floor = np.where(floor < 0, without_floor, scale), np.maximum(floor, 0.0)
        loss = ((errors - floor[:, None] - scale[:, None] * x) ** 2).sum(axis=1)
        better = loss < best
        best = np.where(better, loss, best)
        found = np.where(better, np.stack([floor, scale, np.full(len(errors), exponent)]), found)
    return Laws(*found)


def learning_curve(sizes: FloatArray, scores: FloatArray) -> LearningCurve:
    """The curve of scores (K, S, N), whose means are 1 - error, at K ascending sizes.

    A score is NaN where a seed does not test an example.

    With one seed the intervals are for these trained models. Raises ValueError for fewer than `FEWEST_SIZES` sizes.
    """
    count = len(scores)
    seeds, examples = effective_shape(scores)
    if count < FEWEST_SIZES:
        raise ValueError(f"a learning curve needs {FEWEST_SIZES} sizes, not {count}")
    errors = 1 - np.nanmean(scores, axis=(1, 2))
    rng = np.random.default_rng(0)
    variances = covariances(scores)
    noise = rng.standard_normal((DRAWS, count)) @ root(variances.example / examples).T
    if seeds > 1:
        scale = np.sqrt((seeds - 1) / rng.chisquare(seeds - 1, size=(DRAWS, 1)))
        noise = noise + scale * (rng.standard_normal((DRAWS, count)) @ root(variances.seed / seeds).T)
    ascending = np.asarray(sizes, np.float64)
    return LearningCurve(ascending, errors, fit(ascending, errors[None]), fit(ascending, errors + noise), seeds)


def root(covariance: FloatArray) -> FloatArray:
    """A matrix L with L L' = covariance, which may be singular."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
