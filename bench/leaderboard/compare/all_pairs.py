"""Comparison of every method of a section with every other one, and the group of methods that may be the best.

Two methods are compared on the seeds that both have. With planned looks, these are the seeds up to the last look that
both reached, and p is divided by the share of that look: a method that stopped early is compared all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, compress
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import BoolArray, FloatArray
from bench.leaderboard.compare.baseline import mixture, stacked
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.results import Pairs
from bench.leaderboard.rules import Rules
from bench.stats.equivalence import p_equivalent
from bench.stats.looks import reached, shares
from bench.stats.multiple import CORRECTIONS, best_group
from bench.stats.pairwise import of_pairs, one_sided, pairwise
from bench.stats.verdict import ALPHA

if TYPE_CHECKING:
    from bench.leaderboard.results import Row

FEWEST_SHARED = 2  # seeds of two methods whose seeds differ: one says nothing about new seeds


def compare_pairs(rows: Sequence[Row], test: Examples, rules: Rules, looks: Sequence[int] = ()) -> Pairs | None:
    """All pairs of the section's comparable rows, in their order; None for fewer than two."""
    chosen = comparable(rows, rules.allow_mixed)
    if len(chosen) < 2:
        return None
    difference, p, same = (np.zeros((len(chosen), len(chosen))) for _ in range(3))
    for seeds, share, pairs in by_seeds(chosen, looks):
        places = np.flatnonzero(pairs.any(axis=1))
        scores = np.stack([test.right(stacked(chosen[place], seeds)) for place in places])
        result, own = pairwise(scores, test.sizes), np.ix_(places, places)
        equal = of_pairs(p_equivalent, result.difference, result.variances, *result.size, rules.delta)
        for whole, part in ((difference, result.difference), (p, result.p / share), (same, equal / share)):
            whole[own] = np.where(pairs[own], np.minimum(part, 1.0), whole[own])
    upper = np.triu_indices(len(chosen), 1)

    def corrected(values: FloatArray) -> FloatArray:
        p = np.ones_like(values)
        p[upper] = CORRECTIONS[rules.correction](values[upper].tolist())
        return np.minimum(p, p.T)

    best = best_group(one_sided(difference, p), ALPHA)
    p, same = corrected(p), corrected(same)
    words = np.where(p < ALPHA, np.where(difference > 0, "better", "worse"), "undecided")
    words = np.where(same < ALPHA, "equivalent", words)
    labels = tuple(row.label for row in chosen)
    return Pairs(labels, difference, p, tuple(map(tuple, words.tolist())), frozenset(compress(labels, best.tolist())))


def by_seeds(rows: Sequence[Row], looks: Sequence[int]) -> Iterator[tuple[tuple[int, ...], float, BoolArray]]:
    """The seeds on which pairs are compared, the share of their look, and which pairs (M, M) these are."""
    pairs: dict[tuple[int, ...], BoolArray] = {}
    for i, j in combinations_with_replacement(range(len(rows)), 2):
        seeds = shared(rows[i], rows[j])
        counts = reached(len(seeds), looks)
        of_seeds = pairs.setdefault(seeds[: counts[-1]] if counts else seeds, np.zeros((len(rows), len(rows)), bool))
        of_seeds[i, j] = of_seeds[j, i] = True
    for seeds, of_seeds in pairs.items():
        counts = reached(len(seeds), looks)
        yield seeds, float(shares(looks)[len(counts) - 1]) if counts else 1.0, of_seeds


def shared(row: Row, other: Row) -> tuple[int, ...]:
    """The seeds that two complete rows have in common, ascending."""
    return tuple(sorted({*row.seeds} & {*other.seeds}))


def comparable(rows: Sequence[Row], allow_mixed: bool) -> list[Row]:
    """The largest set of complete rows of which any two share seeds and, unless mixing is allowed, code and device."""
    complete = [row for row in rows if row.complete and row.cells]
    alike = np.array([[comparable_pair(row, other, allow_mixed) for other in complete] for row in complete], bool)
    groups = [group_of(first, alike) for first in range(len(complete))]
    return [complete[place] for place in max(groups, key=len, default=[])]


def comparable_pair(row: Row, other: Row, allow_mixed: bool) -> bool:
    """Whether two complete rows may be compared."""
    seeds = row.seeds == other.seeds or len(shared(row, other)) >= FEWEST_SHARED
    return seeds and (allow_mixed or not mixture(row, other))


def group_of(first: int, alike: BoolArray) -> list[int]:
    """The places, ascending, of rows any two of which are alike: `first` and, in turn, those that fit."""
    group = [first] if alike[first, first] else []
    for place in range(len(alike)) if group else ():
        if place != first and alike[place, [*group, place]].all():
            group.append(place)
    return sorted(group)
