"""Information gain: a weight method minus itself with its weights shuffled within class.

The shuffled method has the same schedule and the same weights, but not on the rows that they were meant for: what is
left of a gain is what the method knows about rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.leaderboard.compare.baseline import judged, match
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Paired
from bench.leaderboard.rules import Rules
from bench.stats.multiple import CORRECTIONS

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def information(rows: Sequence[Row], test: Examples, rules: Rules) -> Mapping[str, Paired]:
    """By label, each method that stands beside its within-class shuffle; corrected over these comparisons."""
    matches = {
        row.label: match(row, shuffled, test, rules) for row in rows if (shuffled := shuffle_of(row, rows)) is not None
    }
    corrected = CORRECTIONS[rules.correction]([found.p for found in matches.values()])
    return {
        label: judged(found, "information", float(p), rules.delta, len(matches))
        for (label, found), p in zip(matches.items(), corrected, strict=True)
    }


def shuffle_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row that differs from this one by `shuffle=class` alone."""
    own = row.spec["hyperparameters"]
    if own.get("shuffle") != "none":
        return None
    wanted = (row.spec["method"], {**own, "shuffle": "class"})
    return next((other for other in rows if (other.spec["method"], other.spec["hyperparameters"]) == wanted), None)
