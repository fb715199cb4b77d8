"""Comparison of every method of a section with every other one, and the group of methods that may be the best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.compare.baseline import mixture, stacked
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Pairs
from bench.leaderboard.rules import Rules
from bench.stats.equivalence import p_equivalent
from bench.stats.folds.variances import effective_shape
from bench.stats.multiple import CORRECTIONS, best_group
from bench.stats.pairwise import one_sided, pairwise
from bench.stats.verdict import ALPHA

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def compare_pairs(rows: Sequence[Row], test: Examples, rules: Rules) -> Pairs | None:
    """All pairs of the section's comparable rows, in their order; None for fewer than two."""
    chosen = comparable(rows, rules.allow_mixed)
    if len(chosen) < 2:
        return None
    scores = np.stack([test.right(stacked(row, row.seeds)) for row in chosen])
    seeds, examples = effective_shape(scores)
    result = pairwise(scores)
    upper = np.triu_indices(len(chosen), 1)

    def corrected(values: FloatArray) -> FloatArray:
        p = np.ones_like(values)
        p[upper] = CORRECTIONS[rules.correction](values[upper].tolist())
        return np.minimum(p, p.T)

    p = corrected(result.p)
    same = corrected(p_equivalent(result.difference, result.variances, seeds, examples, rules.delta))
    words = np.where(p < ALPHA, np.where(result.difference > 0, "better", "worse"), "undecided")
    words = np.where(same < ALPHA, "equivalent", words)
    labels = tuple(row.label for row in chosen)
    best = frozenset(compress(labels, best_group(one_sided(result), ALPHA).tolist()))
    return Pairs(labels, result.difference, p, tuple(map(tuple, words.tolist())), best)


def comparable(rows: Sequence[Row], allow_mixed: bool) -> list[Row]:
    """The largest set of complete rows that share seeds and, unless mixing is allowed, code, versions and device."""
    complete = [row for row in rows if row.complete and row.cells]
    groups = [
        [other for other in complete if other.seeds == row.seeds and (allow_mixed or not mixture(row, other))]
        for row in complete
    ]
    return max(groups, key=len, default=[])
