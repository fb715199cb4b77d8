"""Comparison of every method of a section with every other one, and the group of methods that may be the best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.compare.baseline import mixture, stacked
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Pairs
from bench.leaderboard.rules import Rules
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
    scores = np.stack([stacked(row, row.seeds) == test.labels for row in chosen]).astype(np.float64)
    result = pairwise(scores)
    upper = np.triu_indices(len(chosen), 1)
    p = np.ones_like(result.p)
    p[upper] = CORRECTIONS[rules.correction](result.p[upper].tolist())
    p = np.minimum(p, p.T)
    low, high = result.difference - result.half, result.difference + result.half
    words = np.where(p < ALPHA, np.where(result.difference > 0, "better", "worse"), "undecided")
    words = np.where((low >= -rules.delta) & (high <= rules.delta), "equivalent", words)
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
