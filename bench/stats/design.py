"""Plans a comparison before anything is trained: the power of a verdict by seeds and test rows, and what is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.arrays import FloatArray, Whole
from bench.stats.needed import FOLDED, MOST_EXAMPLES, MOST_SEEDS, TESTED, Count, smallest
from bench.stats.power import CONFIDENCE, Effects, factor, in_folds, power

FEWEST_SEEDS = 2  # one seed gives no variance between seeds


@dataclass(frozen=True)
class Question:
    """What a grid shall find: a true `effect` (a share), in a `family` of comparisons, with this `power`.

    `truth`: the variances of a difference. `known_from`: seeds from which the variance between seeds was estimated; 0
    if it is supposed. `delta`: the margin of *equivalent*. `folds`: those of a cross-validation of all
    examples, of which each seed tests one; 0: each seed tests all examples.
    """

    effect: float
    power: float
    family: int
    delta: float
    truth: Effects
    known_from: int = 0
    folds: int = 0

    @property
    def unit(self) -> str:
        """What an example is, in words."""
        return FOLDED if self.folds else TESTED

    def at(self, seeds: Whole, examples: Whole, truth: Effects | None = None) -> FloatArray:
        """The power (...) of the verdict, corrected over the family, with these numbers of seeds and test rows."""
        truth = truth or self.truth
        if self.folds:
            truth, examples = in_folds(truth, self.folds, seeds, examples)
        return power(truth, seeds, examples, self.effect, delta=self.delta, family=self.family)

    def curve(self, seeds: Sequence[int], examples: int, truth: Effects | None = None) -> list[float]:
        """The power for each number of seeds."""
        values: list[float] = self.at(np.array(seeds), examples, truth).tolist()
        return values

    def extremes(self) -> tuple[Effects, Effects]:
        """Small and large variances: the ends of the 80 % interval of the variance between seeds."""
        freedom, tail = float(self.known_from - 1), (1 - CONFIDENCE) / 2
        small, large = (replace(self.truth, seed=self.truth.seed * factor(freedom, end)) for end in (tail, 1 - tail))
        return small, large

    def seeds(self, examples: int) -> Count:
        """The fewest seeds that reach the power, with its interval if the variance between seeds was estimated.

        Of a cross-validation, the fewest whole repeats of the folds.
        """
        step = self.folds or 1

        def fewest(truth: Effects) -> int | None:
            least = -(-FEWEST_SEEDS // step)
            number = smallest(
                lambda count: self.at(step * count, examples, truth) >= self.power, least, MOST_SEEDS // step
            )
            return step * int(number) or None

        ends = [fewest(truth) for truth in self.extremes()] if self.known_from > 1 else [None, None]
        return Count(fewest(self.truth), ends[0], ends[1], MOST_SEEDS)

    def examples(self, seeds: int) -> int | None:
        """The fewest test rows that reach the power with so many seeds; None: no number does."""
        if seeds < FEWEST_SEEDS:
            return None
        return int(smallest(lambda count: self.at(seeds, count) >= self.power, 10, MOST_EXAMPLES)) or None
