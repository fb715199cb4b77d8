"""Error rates of the inference in `crossed`, measured by simulation from its own model.

Under Gaussian effects the grand means and the three mean squares of the two-way layout are independent, normal and
Wishart, so that they are drawn as such: a null costs a few numbers whatever the number of test rows. Methods are
compared with one baseline, which makes their differences correlate by one half. The power is measured at the
difference that a test which knows the variance finds in 80 % of cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr

from bench.arrays import FloatArray
from bench.stats.crossed import POWER, Components, half_width, p_values
from bench.stats.interval import LEVEL
from bench.stats.multiple import max_t
from bench.stats.pairwise import sure_correlation
from bench.stats.verdict import ALPHA

FAMILY = 9  # methods beside the baseline
MAX_T = 10_000  # families that max-T is tried on
SHARED_BASELINE = 0.5  # correlation of two differences to one baseline


@dataclass(frozen=True)
class Design:
    """Seeds, test rows, and the variances of a difference of correctness, in shares.

    `sd`: between seeds. `total`: of one example at one seed (a seventh of the rows are judged differently, either
    way). `lasting`: the share of it that an example keeps from seed to seed.
    """

    seeds: int
    examples: int
    sd: float
    total: float = 0.15
    lasting: float = 0.3

    @property
    def example(self) -> float:
        """Variance of the examples' own effect."""
        return self.total * self.lasting

    @property
    def residual(self) -> float:
        """Variance that is left at one example and seed."""
        return self.total * (1 - self.lasting)

    @property
    def variance(self) -> float:
        """True variance of the mean difference."""
        return self.sd**2 / self.seeds + self.example / self.examples + self.residual / (self.seeds * self.examples)


class Draws(NamedTuple):
    """R grids of M comparisons: (R, M) mean differences, and (R, M, M) covariances of which the diagonals count."""

    mean: FloatArray
    covariance: Components

    @property
    def found(self) -> Components:
        """(R, M) sample variances."""
        return Components(*(np.diagonal(part, axis1=1, axis2=2) for part in self.covariance))


class Rates(NamedTuple):
    """Shares of nulls rejected, of families with a rejection, of intervals that cover, of differences found."""

    false_positive: float
    satterthwaite: float
    family_wise: float
    max_t: float
    coverage: float
    power: float
    nulls: int

    def error(self, share: float, most: int | None = None) -> float:
        """Monte Carlo standard error of one of the shares, of at most so many nulls."""
        return math.sqrt(share * (1 - share) / min(self.nulls, most or self.nulls))


def wishart(rng: np.random.Generator, count: int, free: int, root: FloatArray) -> FloatArray:
    """(count, M, M) sample covariances with `free` degrees of freedom of the covariance root root'."""
    size = len(root)
    if free < size:
        rows = rng.standard_normal((count, free, size)) @ root.T
        return np.asarray(np.swapaxes(rows, 1, 2) @ rows / free)
    lower = np.tril(rng.standard_normal((count, size, size)), -1)  # Bartlett's decomposition
    place = np.arange(size)
    lower[:, place, place] = np.sqrt(rng.chisquare(free - place, (count, size)))
    rows = root @ lower
    return np.asarray(rows @ np.swapaxes(rows, 1, 2) / free)


def draw(rng: np.random.Generator, nulls: int, design: Design, methods: int = 1) -> Draws:
    """Grids without any true difference; seeds >= 2."""
    seeds, examples = design.seeds, design.examples
    correlation = np.full((methods, methods), SHARED_BASELINE) + (1 - SHARED_BASELINE) * np.eye(methods)
    root = np.asarray(np.linalg.cholesky(correlation), np.float64)
    expected = (
        (seeds - 1, design.sd**2 + design.residual / examples),
        (examples - 1, design.example + design.residual / seeds),
        ((seeds - 1) * (examples - 1), design.residual),
    )
    mean = math.sqrt(design.variance) * rng.standard_normal((nulls, methods)) @ root.T
    return Draws(mean, Components(*(scale * wishart(rng, nulls, free, root) for free, scale in expected)))


def satterthwaite(difference: FloatArray, found: Components, seeds: int, examples: int) -> FloatArray:
    """p of the one t distribution with estimated degrees of freedom, which `crossed` does not use: for comparison."""
    square = np.stack([found.seed / seeds, found.example / examples, -found.interaction / (seeds * examples)])
    variance = np.maximum(square.sum(axis=0), 1e-300)
    freedom = np.array([seeds - 1, examples - 1, (seeds - 1) * (examples - 1)])
    df = variance**2 / (square**2 / freedom.reshape(3, *[1] * difference.ndim)).sum(axis=0)
    return np.asarray(2 * stdtr(df, -np.abs(difference) / np.sqrt(variance)))


def stepped_down(family: Draws, size: tuple[int, int]) -> float:
    """Share of families with a rejection by max-T: between Bonferroni's, which it contains, and any p below 5 %."""
    reach = np.abs(family.mean)
    any_raw = (reach > half_width(family.found, *size, ALPHA / 2)).any(axis=1)
    certain = (reach > half_width(family.found, *size, ALPHA / 2 / FAMILY)).any(axis=1)
    open_ = np.flatnonzero(any_raw & ~certain)
    part = Components(*(value[open_] for value in family.covariance))
    p = p_values(family.mean[open_], Components(*(np.diagonal(value, axis1=1, axis2=2) for value in part)), *size)
    correlation = sure_correlation(part, *size)
    rejected = sum(max_t(one, known, draws=2_000).min() < ALPHA for one, known in zip(p, correlation, strict=True))
    return float(certain.sum() + rejected) / len(reach)


def rates(design: Design, nulls: int, seed: int = 0) -> Rates:
    """Measure one design; the same seed gives the same numbers."""
    rng = np.random.default_rng([seed, design.seeds, design.examples, round(1e6 * design.sd)])
    size = (design.seeds, design.examples)
    tail = (1 - LEVEL) / 2
    family = draw(rng, nulls, design, FAMILY)
    first = Components(*(part[:, 0] for part in family.found))
    anyone = (np.abs(family.mean) > half_width(family.found, *size, ALPHA / 2 / FAMILY)).any(axis=1)
    true = float(ndtri(1 - tail) + ndtri(POWER)) * math.sqrt(design.variance)
    other = draw(rng, nulls, design)
    estimate, half = other.mean[:, 0] + true, half_width(other.found, *size, tail)[:, 0]
    return Rates(
        false_positive=float((np.abs(family.mean[:, 0]) > half_width(first, *size, tail)).mean()),
        satterthwaite=float((satterthwaite(family.mean[:, 0], first, *size) < ALPHA).mean()),
        family_wise=float(anyone.mean()),
        max_t=stepped_down(Draws(family.mean[:MAX_T], Components(*(part[:MAX_T] for part in family.covariance))), size),
        coverage=float((np.abs(estimate - true) <= half).mean()),
        power=float((np.abs(estimate) > half).mean()),
        nulls=nulls,
    )
