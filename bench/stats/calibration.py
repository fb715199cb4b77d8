"""Error rates of the inference in `crossed`, measured by simulation from its own model.

With Gaussian effects, the grand means and the three mean squares of the two-way layout are independent, normal and
Wishart. They are drawn directly, so that the cost does not depend on the number of test rows. Methods are compared
with one baseline, so their differences have correlation 1/2. Power is measured at the difference that a test with
known variance detects in 80 % of cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr

from bench.arrays import FloatArray
from bench.stats.crossed import Components, half_width, p_values
from bench.stats.interval import LEVEL
from bench.stats.multiple import max_t
from bench.stats.pairwise import sure_correlation
from bench.stats.power import POWER
from bench.stats.verdict import ALPHA

FAMILY = 9  # methods compared with the baseline
MAX_T = 10_000  # families on which max-T is simulated
SHARED_BASELINE = 0.5  # correlation of two differences to one baseline


@dataclass(frozen=True)
class Design:
    """Seeds, test rows, and the variances of a difference of correctness, in shares.

    `sd`: standard deviation between seeds. `total`: variance of one example at one seed; 0.15 means that two methods
    differ on about a seventh of the rows. `lasting`: the share of `total` that is the same for all seeds. `rows`: the
    test rows behind the examples, where these are clusters; 0: each is one.
    """

    seeds: int
    examples: int
    sd: float
    total: float = 0.15
    lasting: float = 0.3
    rows: int = 0

    @property
    def example(self) -> float:
        """Variance of the effect of an example, the same at all seeds."""
        return self.total * self.lasting

    @property
    def residual(self) -> float:
        """Residual variance of one example at one seed."""
        return self.total * (1 - self.lasting)

    @property
    def variance(self) -> float:
        """True variance of the mean difference."""
        return self.sd**2 / self.seeds + self.example / self.examples + self.residual / (self.seeds * self.examples)


class Draws(NamedTuple):
    """R simulated grids of M comparisons: (R, M) mean differences, and (R, M, M) sample covariances."""

    mean: FloatArray
    covariance: Components

    @property
    def variances(self) -> Components:
        """Sample variances (R, M): the diagonals of the covariances."""
        return Components(*(np.diagonal(matrix, axis1=1, axis2=2) for matrix in self.covariance))


class Rates(NamedTuple):
    """Shares: nulls rejected, families with a rejection, intervals that cover the truth, differences detected."""

    false_positive: float
    satterthwaite: float
    family_wise: float
    max_t: float
    coverage: float
    power: float
    nulls: int

    def error(self, share: float, most: int | None = None) -> float:
        """Monte Carlo standard error of a share; `most` limits the number of nulls that it is based on."""
        return math.sqrt(share * (1 - share) / min(self.nulls, most or self.nulls))


def wishart(rng: np.random.Generator, count: int, free: int, root: FloatArray) -> FloatArray:
    """Sample covariances (count, M, M) with `free` degrees of freedom; the true covariance is root root'."""
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
    """Simulate grids without any true difference; needs two seeds or more."""
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


def satterthwaite(difference: FloatArray, variances: Components, seeds: int, examples: int) -> FloatArray:
    """p by one t distribution with Satterthwaite's degrees of freedom; for comparison, `crossed` does not use it."""
    square = np.stack(
        [variances.seed / seeds, variances.example / examples, -variances.interaction / (seeds * examples)]
    )
    variance = np.maximum(square.sum(axis=0), 1e-300)
    freedom = np.array([seeds - 1, examples - 1, (seeds - 1) * (examples - 1)])
    df = variance**2 / (square**2 / freedom.reshape(3, *[1] * difference.ndim)).sum(axis=0)
    return np.asarray(2 * stdtr(df, -np.abs(difference) / np.sqrt(variance)))


def step_down(family: Draws, size: tuple[int, int]) -> float:
    """Share of families with a rejection by step-down max-T.

    max-T rejects wherever Bonferroni does, and only where some p is below 5 %. So it is computed for the families in
    between only.
    """
    reach = np.abs(family.mean)
    any_raw = (reach > half_width(family.variances, *size, ALPHA / 2)).any(axis=1)
    certain = (reach > half_width(family.variances, *size, ALPHA / 2 / FAMILY)).any(axis=1)
    open_ = np.flatnonzero(any_raw & ~certain)
    undecided = Components(*(value[open_] for value in family.covariance))
    p = p_values(family.mean[open_], Components(*(np.diagonal(value, axis1=1, axis2=2) for value in undecided)), *size)
    correlation = sure_correlation(undecided, *size)
    rejected = sum(max_t(one, known, draws=2_000).min() < ALPHA for one, known in zip(p, correlation, strict=True))
    return float(certain.sum() + rejected) / len(reach)


def rates(design: Design, nulls: int) -> Rates:
    """Measure the error rates of one design; each call gives the same numbers."""
    rng = np.random.default_rng([0, design.seeds, design.examples, round(1e6 * design.sd)])
    size = (design.seeds, design.examples)
    tail = (1 - LEVEL) / 2
    family = draw(rng, nulls, design, FAMILY)
    first = Components(*(values[:, 0] for values in family.variances))
    anyone = (np.abs(family.mean) > half_width(family.variances, *size, ALPHA / 2 / FAMILY)).any(axis=1)
    true = float(ndtri(1 - tail) + ndtri(POWER)) * math.sqrt(design.variance)
    other = draw(rng, nulls, design)
    estimate, half = other.mean[:, 0] + true, half_width(other.variances, *size, tail)[:, 0]
    return Rates(
        false_positive=float((np.abs(family.mean[:, 0]) > half_width(first, *size, tail)).mean()),
        satterthwaite=float((satterthwaite(family.mean[:, 0], first, *size) < ALPHA).mean()),
        family_wise=float(anyone.mean()),
        max_t=step_down(
            Draws(family.mean[:MAX_T], Components(*(values[:MAX_T] for values in family.covariance))), size
        ),
        coverage=float((np.abs(estimate - true) <= half).mean()),
        power=float((np.abs(estimate) > half).mean()),
        nulls=nulls,
    )
