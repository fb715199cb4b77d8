"""False verdicts on simulated grids of counts that differ from the model which `crossed` assumes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.arrays import FloatArray
from bench.stats.crossed import by_cluster
from bench.stats.pairwise import pairwise
from bench.stats.simulation.grids import World, correctness
from bench.stats.verdict import ALPHA

CELLS = 2_000_000  # numbers that are simulated at once


@dataclass(frozen=True)
class Line:
    """A line of the table: a world, and whether its repeated rows count as clusters."""

    what: str
    world: World
    clustered: bool = False


class CountRates(NamedTuple):
    """Shares of grids, with their Monte Carlo errors.

    `last`: the last method, which may differ from the others in its spread, has p < 0.05 against the first. `family`:
    some method is significant against the first after Holm's correction. `pairs`: some pair is, corrected over pairs.
    """

    last: float
    family: float
    pairs: float
    grids: int

    def error(self, share: float) -> float:
        """Monte Carlo standard error of a share."""
        return math.sqrt(share * (1 - share) / self.grids)


def count_rates(line: Line, grids: int, seed: int = 0) -> CountRates:
    """Simulate grids without any true difference; the same seed gives the same numbers."""
    world, rng = line.world, np.random.default_rng([seed, *line.what.encode()])
    clusters = world.clusters if line.clustered else None
    part = max(1, CELLS // (world.methods * world.seeds * world.examples))
    p = [
        pairwise(by_cluster(grid.astype(np.float64), clusters)).p
        for done in range(0, grids, part)
        for grid in correctness(rng, world, min(part, grids - done))
    ]
    return summary(np.stack(p))


def summary(p: FloatArray) -> CountRates:
    """The rates of p-values (grids, M, M). Holm rejects something exactly where Bonferroni does."""
    grids, methods, _ = p.shape
    upper = np.triu_indices(methods, 1)
    return CountRates(
        last=float((p[:, -1, 0] < ALPHA).mean()),
        family=float((p[:, 1:, 0].min(axis=1) < ALPHA / (methods - 1)).mean()),
        pairs=float((p[:, upper[0], upper[1]].min(axis=1) < ALPHA / len(upper[0])).mean()),
        grids=grids,
    )
