"""False verdicts on simulated grids of counts that differ from the model which `crossed` assumes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from bench.arrays import BoolArray, FloatArray
from bench.stats.crossed import Components, by_cluster, half_width, width
from bench.stats.equivalence import reach
from bench.stats.looks import FIRST_LOOK, planned_looks, shares
from bench.stats.pairwise import differences
from bench.stats.simulation.grids import World, batches
from bench.stats.verdict import ALPHA, DELTA

FOR_LOOKS = 10  # seeds from which looks at fewer seeds are simulated too


@dataclass(frozen=True)
class Line:
    """A line of the table: a world, and whether its repeated rows count as clusters."""

    what: str
    world: World
    clustered: bool = False


@dataclass(frozen=True)
class Found:
    """What is wrong in one grid, in which all methods are equally good.

    `last`: the last method, which may differ from the others in its spread, has p < 0.05 against the first. `family`:
    some method is significant against the first after Holm's correction. `pairs`: some pair is, corrected over pairs.
    `every_seed`: `family` at some look after each seed from the third on. `planned`: at some planned look, each with
    its share of the 5 %. The last two are None with fewer than `FOR_LOOKS` seeds.
    """

    last: bool
    family: bool
    pairs: bool
    every_seed: bool | None
    planned: bool | None


@dataclass(frozen=True)
class FoundAtMargin:
    """What is wrong in one grid, in which every method but the first is worse than it by exactly `DELTA`.

    `last`, `family`: the last method, or any of them, is *equivalent*; `family` corrected by Holm. `plain`: the 95 %
    interval of the last method's difference misses it. `simultaneous`: some interval of the family misses its own.
    """

    last: bool
    family: bool
    plain: bool
    simultaneous: bool


class FaultRates(NamedTuple):
    """Shares of grids by the field of `Found` or `FoundAtMargin`; None where it is not simulated."""

    shares: dict[str, float | None]
    grids: int

    def error(self, share: float) -> float:
        """Monte Carlo standard error of a share."""
        return math.sqrt(share * (1 - share) / self.grids)


def count_rates(line: Line, grids: int) -> FaultRates:
    """The rates of `Found`; each call gives the same numbers."""
    return rates_of([found(scores) for scores in drawn(line, grids)])


def margin_rates(line: Line, grids: int) -> FaultRates:
    """The rates of `FoundAtMargin`; the world of the line has `DELTA` as its `shift`."""
    return rates_of([found_at_margin(scores) for scores in drawn(line, grids)])


def drawn(line: Line, grids: int) -> Iterator[FloatArray]:
    """Scores (M, S, N) of grids, one after the other; clusters take the place of rows where they count."""
    world, rng = line.world, np.random.default_rng([0, *line.what.encode()])
    clusters = world.clusters if line.clustered else None
    for part in batches(rng, world, grids):
        for grid in part:
            yield by_cluster(grid.astype(np.float64), clusters)


def rates_of(results: list[Found] | list[FoundAtMargin]) -> FaultRates:
    """The shares of grids with each fault."""
    kinds = [field.name for field in fields(results[0])]
    values = {kind: [getattr(one, kind) for one in results] for kind in kinds}
    return FaultRates(
        {kind: None if None in value else float(np.mean(value)) for kind, value in values.items()}, len(results)
    )


def found(scores: FloatArray) -> Found:
    """The false verdicts of a grid of equal methods. Holm rejects something exactly where Bonferroni does."""
    methods, seeds, examples = scores.shape
    difference, variances = differences(scores)

    def significant(part: tuple[slice | int, slice | int], count: int) -> bool:
        chosen = Components(*(values[part] for values in variances))
        return excludes_zero(difference[part], chosen, seeds, examples, ALPHA / count)

    every_seed, planned = looked_at(scores[1:] - scores[0]) if seeds >= FOR_LOOKS else (None, None)
    return Found(
        last=significant((methods - 1, 0), 1),
        family=significant((slice(1, None), 0), methods - 1),
        pairs=significant((slice(None), slice(None)), methods * (methods - 1) // 2),
        every_seed=every_seed,
        planned=planned,
    )


def looked_at(gaps: FloatArray) -> tuple[bool, bool]:
    """Whether some difference (K, S, N) is significant at some look after each seed, and at some planned look."""
    compared, seeds, examples = gaps.shape
    size, squares, sums = gaps.mean(axis=2), (gaps**2).sum(axis=2), gaps.cumsum(axis=1)
    spent = dict(zip(planned_looks(seeds), shares(planned_looks(seeds)), strict=True))
    every_seed = planned = False
    for n in range(FIRST_LOOK, seeds + 1):
        mean, example = size[:, :n].mean(axis=1), sums[:, n - 1] / n
        residual = squares[:, :n].sum(axis=1) - n * (example**2).sum(axis=1)
        residual += examples * (n * mean**2 - (size[:, :n] ** 2).sum(axis=1))
        interaction = np.maximum(residual, 0.0) / ((n - 1) * (examples - 1))
        variances = Components(size[:, :n].var(axis=1, ddof=1), example.var(axis=1, ddof=1), interaction)
        shape = mean, variances, n, examples
        every_seed = every_seed or excludes_zero(*shape, ALPHA / compared)
        planned = planned or (n in spent and excludes_zero(*shape, ALPHA * spent[n] / compared))
    return every_seed, planned


def excludes_zero(mean: FloatArray, variances: Components, seeds: int, examples: int, level: float) -> bool:
    """Whether some interval at a level excludes 0."""
    return bool((np.abs(mean) > half_width(variances, seeds, examples, level / 2)).any())


def found_at_margin(scores: FloatArray) -> FoundAtMargin:
    """What is wrong in a grid whose methods are all worse than the first by `DELTA`."""
    methods, seeds, examples = scores.shape
    difference, variances = differences(scores)
    gaps = difference[1:, 0]
    to_first = Components(*(part[1:, 0] for part in variances))

    def equivalent(count: int) -> BoolArray:
        tail = ALPHA / count / 2
        far = reach(half_width(to_first, seeds, examples, tail), examples, tail)
        return np.asarray(DELTA - np.abs(gaps) > far)

    def misses(count: int) -> BoolArray:
        tail = ALPHA / count / 2
        each = zip(*to_first, strict=True)
        half = np.array([width(Components(*one), seeds, examples, tail) for one in each])
        return np.asarray(np.abs(gaps + DELTA) > half)

    return FoundAtMargin(
        last=bool(equivalent(1)[-1]),
        family=bool(equivalent(methods - 1).any()),
        plain=bool(misses(1)[-1]),
        simultaneous=bool(misses(methods - 1).any()),
    )
