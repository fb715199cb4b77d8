"""Every method of a section against every other one."""

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


def comparable(rows: Sequence[Row], allow_mixed: bool) -> list[Row]:
    """The complete rows whose seeds and environments are those of most of them."""
    complete = [row for row in rows if row.complete and row.cells]
    alike = [
        [other for other in complete if other.seeds == row.seeds and (allow_mixed or not mixture(row, other))]
        for row in complete
    ]
    return max(alike, key=len, default=[])


def pairs(rows: Sequence[Row], test: Examples, rules: Rules) -> Pairs | None:
    """All pairs of the section's comparable rows, in their order; None for fewer than two."""
    kept = comparable(rows, rules.allow_mixed)
    if len(kept) < 2:
        return None
    scores = np.stack([stacked(row, row.seeds) == test.labels for row in kept]).astype(np.float64)
    found = pairwise(scores)
    upper = np.triu_indices(len(kept), 1)
    p = np.ones_like(found.p)
    p[upper] = CORRECTIONS[rules.correction](found.p[upper].tolist())
    p = np.minimum(p, p.T)
    low, high = found.difference - found.half, found.difference + found.half
    words = np.where(p < ALPHA, np.where(found.difference > 0, "better", "worse"), "undecided")
    words = np.where((low >= -rules.delta) & (high <= rules.delta), "equivalent", words)
    labels = tuple(row.label for row in kept)
    best = frozenset(compress(labels, best_group(one_sided(found), ALPHA).tolist()))
    return Pairs(labels, found.difference, p, tuple(map(tuple, words.tolist())), best)
