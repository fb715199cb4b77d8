"""Simulated grids of correctness with known true differences, unlike the model that `crossed` assumes.

Each method classifies each test row at each seed rightly or wrongly. A latent score decides it. It is the sum of the
difficulty of the row, the same for all methods; the method's own view of the row, the same at all seeds; luck at one
seed; and the effect of the seed on the method. The three row effects are normal with variances that sum to 1 (a
Gaussian copula). So accuracy is a count with ties, variances depend on accuracy, and methods are dependent through the
rows, as in real grids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from bench.arrays import BoolArray, FloatArray, IntArray

SHARED = 0.6  # variance of the latent score that is the difficulty of the row
RARE = 0.1  # chance that a training collapses
CELLS = 2_000_000  # numbers that are simulated at once


@dataclass(frozen=True)
class World:
    """A grid of methods that are equally good on average, but for `shift`.

    `sd`: of accuracy between seeds, in shares. `accuracy`: share of right rows at a seed of no effect. `own`: share of
    the variance that is not shared by methods which is the same at all seeds. `tails`: degrees of freedom of Student's
    t for the seed effects. `spread`: the last method's `sd` as a multiple of the first one's. `collapse`: points of
    accuracy, as a share, that the last method loses in a tenth of its seeds; it is better in the others by as much as
    keeps its mean. `copies`: how often each row occurs. `shift`: by how much the mean accuracy of all methods but the
    first is below that of the first, as a share.
    """

    methods: int
    seeds: int
    examples: int
    sd: float = 0.0
    accuracy: float = 0.75
    own: float = field(default=0.3, kw_only=True)
    tails: float = field(default=math.inf, kw_only=True)
    spread: float = field(default=1.0, kw_only=True)
    collapse: float = field(default=0.0, kw_only=True)
    copies: int = field(default=1, kw_only=True)
    shift: float = field(default=0.0, kw_only=True)

    @property
    def clusters(self) -> IntArray:
        """(N,) which rows are the same."""
        return np.arange(self.examples) // self.copies


def correctness(rng: np.random.Generator, world: World, grids: int) -> BoolArray:
    """Which rows are right: (grids, M, S, N)."""
    shape = (grids, world.methods, world.seeds, -(-world.examples // world.copies))
    rows = [shape[0], 1, 1, shape[3]], [*shape[:2], 1, shape[3]], shape
    variances = (SHARED, (1 - SHARED) * world.own, (1 - SHARED) * (1 - world.own))
    latent = sum(
        math.sqrt(variance) * rng.standard_normal(size, np.float32)
        for variance, size in zip(variances, rows, strict=True)
    )
    once = np.asarray(latent < cuts(rng, world, grids).astype(np.float32)[..., None])
    return once if world.copies == 1 else np.repeat(once, world.copies, axis=-1)[..., : world.examples]


def batches(rng: np.random.Generator, world: World, grids: int) -> Iterator[BoolArray]:
    """`correctness` of as many grids, in parts that fit into memory."""
    part = max(1, CELLS // (world.methods * world.seeds * world.examples))
    for done in range(0, grids, part):
        yield correctness(rng, world, min(part, grids - done))


def cuts(rng: np.random.Generator, world: World, grids: int) -> FloatArray:
    """(grids, M, S) the latent scores below which a row is right."""
    size = (grids, world.methods, world.seeds)
    effects = rng.standard_normal(size)
    if math.isfinite(world.tails):
        effects = rng.standard_t(world.tails, size) / math.sqrt(world.tails / (world.tails - 2))
    slope = math.exp(-(float(ndtri(world.accuracy)) ** 2) / 2) / math.sqrt(2 * math.pi)
    sds = world.sd / slope * (np.geomspace(1.0, world.spread, world.methods) if world.methods > 1 else np.ones(1))
    mean = np.where(np.arange(world.methods) == 0, world.accuracy, world.accuracy - world.shift)
    # A normal effect of the seed with standard deviation s lowers the mean accuracy to that at the cut / sqrt(1 + s^2).
    cut = (ndtri(mean) * np.sqrt(1 + sds**2))[:, None] + sds[:, None] * effects
    if world.collapse:
        lost = rng.random(size[::2]) < RARE
        high = world.accuracy + RARE * world.collapse
        cut[:, -1] += np.where(lost, ndtri(high - world.collapse), ndtri(high)) - ndtri(world.accuracy)
    return np.asarray(cut)
