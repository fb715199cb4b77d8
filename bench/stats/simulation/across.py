"""How often the interval of a mean difference over tasks misses the truth, on simulated counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.arrays import FloatArray
from bench.stats.crossed import Components, components, terms
from bench.stats.simulation.grids import World, batches
from bench.stats.strata import Strata
from bench.stats.verdict import ALPHA

FIRST_STEP = 8  # comparisons in the family whose first step of Holm is measured too


@dataclass(frozen=True)
class Tasks:
    """Two equally good methods on several tasks, each a world of its own with two methods."""

    what: str
    worlds: tuple[World, ...]


def mean_gain_misses(tasks: Tasks, grids: int) -> tuple[float, float]:
    """Shares of grids whose 95 % interval of the mean difference misses 0: plain, and at the first step of Holm.

    Each call gives the same numbers.
    """
    rng = np.random.default_rng([0, *tasks.what.encode()])
    drawn = [task_terms(rng, world, grids) for world in tasks.worlds]
    difference, by_seed, by_example, floor = (np.stack([one[k] for one in drawn], axis=-1) for k in range(4))
    mean = Strata(
        difference.mean(axis=-1),
        by_seed,
        by_example,
        floor,
        tuple(world.seeds for world in tasks.worlds),
        tuple(world.examples for world in tasks.worlds),
    )
    plain, corrected = (missed(mean, ALPHA / count) for count in (1, FIRST_STEP))
    return plain, corrected


def missed(mean: Strata, level: float) -> float:
    """The share of grids in which 0 is outside of the interval of the mean difference at a level."""
    tails = np.full(mean.difference.shape, level / 2)
    return float((np.abs(mean.difference) > mean.half_width(tails)).mean())


def task_terms(rng: np.random.Generator, world: World, grids: int) -> Sequence[FloatArray]:
    """Mean differences of the two methods of a task and the parts of their variances, each (grids,)."""
    parts = []
    for right in batches(rng, world, grids):
        scores = right[:, 1].astype(np.float64) - right[:, 0]
        variances: Components = components(scores)
        parts.append((scores.mean(axis=(1, 2)), *terms(variances, world.seeds, world.examples)))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
