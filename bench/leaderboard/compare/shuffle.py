"""Information gain: a weight method compared with itself, its weights shuffled among the rows of a class.

The shuffled method has the same schedule and the same weights, but on random rows of the class. So the difference is
due to which rows get which weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.leaderboard.compare.baseline import match
from bench.leaderboard.compare.families import correct, judge
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.results import Paired
from bench.leaderboard.rules import Rules

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def information_gains(rows: Sequence[Row], test: Examples, rules: Rules, looks: Sequence[int]) -> Mapping[str, Paired]:
    """By label, the methods of which the section has the within-class shuffle; corrected over these comparisons."""
    pairs = [(row, shuffled) for row in rows if (shuffled := shuffle_of(row, rows)) is not None]
    matches = [one for row, shuffled in pairs for one in match([row], shuffled, test, rules, looks)]
    verdicts = judge(matches, ["information"] * len(matches), correct(matches, rules), rules)
    return {row.label: one for (row, _), one in zip(pairs, verdicts, strict=True)}


def shuffle_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row that differs from this one by `shuffle=class` alone."""
    own = row.spec["hyperparameters"]
    if own.get("shuffle") != "none":
        return None
    wanted = (row.spec["method"], {**own, "shuffle": "class"})
    return next((other for other in rows if (other.spec["method"], other.spec["hyperparameters"]) == wanted), None)
