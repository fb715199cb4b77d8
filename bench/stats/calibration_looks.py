"""Error rates and savings of verdicts that are read more than once, measured by simulation.

Grids are drawn seed by seed from the model of `crossed` with Gaussian effects: the seed means and the mean over rows
are independent normal values, and the scatter over rows of the effects of an example and of its residuals at S seeds is
a Wishart matrix (1 + S, 1 + S), from which the mean squares at every look follow exactly. Differences to one baseline
have correlation 1/2; the mean squares over rows are drawn for each method by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.arrays import BoolArray, FloatArray
from bench.stats.calibration import SHARED_BASELINE, Design, wishart
from bench.stats.crossed import Components, half_width
from bench.stats.looks import FIRST_LOOK, planned_looks, shares
from bench.stats.verdict import ALPHA

COMPARED = 8  # methods compared with the baseline
DIFFER = COMPARED // 2  # of them in the grids with true differences
SIZES = {"medium": 4.0, "large": 6.0}  # true differences, in standard errors of the mean difference at all seeds


class Grids(NamedTuple):
    """R grids of M comparisons without a true difference, seed by seed.

    `seeds` (R, S, M): means over the rows, without the effects of the rows that all seeds share, `rows` (R, M).
    `scatter` (R, M, 1 + S, 1 + S): sample covariance over rows of the example's effect and the residuals of each seed.
    """

    seeds: FloatArray
    rows: FloatArray
    scatter: FloatArray

    def at(self, count: int) -> tuple[FloatArray, Components]:
        """Mean differences (R, M) and sample variances after the first `count` seeds."""
        shown = self.seeds[:, :count]
        residual = np.zeros(self.scatter.shape[-1])
        residual[1 : count + 1] = 1 / count
        example = residual.copy()
        example[0] = 1.0
        own = np.einsum("rmii->rmi", self.scatter)[:, :, 1 : count + 1].sum(axis=-1)
        interaction = (own - count * self.quadratic(residual)) / (count - 1)
        variances = Components(shown.var(axis=1, ddof=1), self.quadratic(example), interaction)
        return shown.mean(axis=1) + self.rows, variances

    def quadratic(self, vector: FloatArray) -> FloatArray:
        """(R, M) The variance over rows of a linear combination of the effects."""
        return np.asarray(self.scatter @ vector @ vector)


class LookRates(NamedTuple):
    """Shares of families with a false verdict: unplanned looks after every seed; planned looks, all methods equal;
    planned looks, half of the methods differ. By size of the difference: power of one look at the end, power of
    planned looks, mean seeds of the methods that differ, and the share of all cells that is saved.
    """

    unplanned: float
    planned: float
    beside_true: float
    fixed_power: dict[str, float]
    power: dict[str, float]
    seeds: dict[str, float]
    saved: dict[str, float]
    grids: int

    def error(self, share: float) -> float:
        """Monte Carlo standard error of a share of families."""
        return math.sqrt(share * (1 - share) / self.grids)


def draw_grids(rng: np.random.Generator, count: int, design: Design) -> Grids:
    """Grids of `COMPARED` methods at all seeds of a design."""
    methods, seeds, examples = COMPARED, design.seeds, design.examples
    correlation = np.full((methods, methods), SHARED_BASELINE) + (1 - SHARED_BASELINE) * np.eye(methods)
    root = np.linalg.cholesky(correlation).T
    own = math.sqrt(design.sd**2 + design.residual / examples) * rng.standard_normal((count, seeds, methods)) @ root
    rows = math.sqrt(design.example / examples) * rng.standard_normal((count, methods)) @ root
    scale = np.diag(np.sqrt([design.example, *[design.residual] * seeds]))
    scatter = wishart(rng, count * methods, examples - 1, scale)
    return Grids(own, rows, scatter.reshape(count, methods, seeds + 1, seeds + 1))


def rejected(passed: BoolArray) -> BoolArray:
    """(R, M) Holm's rejections; `passed` (M, R, M): whether p is at most alpha / 1, ..., alpha / M."""
    methods = len(passed)
    found = np.zeros(passed.shape[1], np.intp)
    for _ in range(methods):
        level = np.minimum(methods - found, methods) - 1
        found = passed[np.maximum(level, 0), np.arange(len(found))].sum(axis=1)
    return np.asarray(passed[np.maximum(methods - found, 1) - 1, np.arange(len(found))])


def verdicts(grids: Grids, examples: int, looks: Sequence[int], spent: Sequence[float], true: FloatArray) -> FloatArray:
    """(R, M) The number of seeds at which each method gets a verdict, corrected by Holm at each look; infinite: none.

    `spent`: the share of the 5 % at each look. `true` (M,): true differences. A method's best p-value counts, as in
    `over_looks`.
    """
    count, methods = grids.rows.shape
    passed = np.zeros((methods, count, methods), bool)
    when = np.full((count, methods), math.inf)
    for look, share in zip(looks, spent, strict=True):
        mean, variances = grids.at(look)
        for level in range(methods):
            tail = ALPHA * share / (level + 1) / 2
            passed[level] |= np.abs(mean + true) >= half_width(variances, look, examples, tail)
        when = np.where(np.isinf(when) & rejected(passed), float(look), when)
    return when


def look_rates(design: Design, count: int) -> LookRates:
    """Measure looks at a design, whose seeds are the largest number; each call gives the same numbers."""
    rng = np.random.default_rng([0, design.seeds, design.examples, round(1e6 * design.sd)])
    grids, most = draw_grids(rng, count, design), design.seeds
    looks, null = planned_looks(most), np.zeros(COMPARED)
    spent = shares(looks).tolist()
    every = list(range(FIRST_LOOK, most + 1))

    def any_verdict(looks: Sequence[int], spent: Sequence[float]) -> float:
        return float(np.isfinite(verdicts(grids, design.examples, looks, spent, null)).any(axis=1).mean())

    beside, fixed, power, seeds, saved = [], {}, {}, {}, {}
    for name, size in SIZES.items():
        true = np.where(np.arange(COMPARED) < DIFFER, size * math.sqrt(design.variance), 0.0)
        when = verdicts(grids, design.examples, looks, spent, true)
        at_end = verdicts(grids, design.examples, [most], [1.0], true)
        used = np.minimum(when, most)
        fixed[name], power[name] = (float(np.isfinite(one[:, :DIFFER]).mean()) for one in (at_end, when))
        seeds[name] = float(used[:, :DIFFER].mean())
        baseline = used.max(axis=1)  # is trained as long as some method is
        saved[name] = 1 - float((used.sum(axis=1) + baseline).mean()) / ((COMPARED + 1) * most)
        beside.append(float(np.isfinite(when[:, DIFFER:]).any(axis=1).mean()))
    return LookRates(
        unplanned=any_verdict(every, [1.0] * len(every)),
        planned=any_verdict(looks, spent),
        beside_true=max(beside),
        fixed_power=fixed,
        power=power,
        seeds=seeds,
        saved=saved,
        grids=count,
    )
