"""Comparison of every method of a section with the baseline, on the seeds and test rows that both have."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.leaderboard.compare.families import alone, correct, judge
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Match, Paired
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison, compare
from bench.stats.folds.variances import effective_shape
from bench.stats.looks import reached
from bench.stats.multiple import max_t
from bench.stats.pairwise import covariances, sure_correlation
from bench.stats.verdict import incomplete
from bench.store.layout import ENVIRONMENT

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def compare_with_baseline(
    rows: Sequence[Row], base: Row | None, test: Examples, rules: Rules, looks: Sequence[int] = ()
) -> list[Paired]:
    """One `Paired` per row. `looks`: the numbers of seeds at which verdicts are read, if that was planned.

    p-values are corrected over all core methods that were planned, whether or not their cells have a result.
    """
    matches = [match(row, base, test, rules, looks) for row in rows]
    core = [i for i, row in enumerate(rows) if row.spec["core"] and row is not base]
    corrected = dict(zip(core, correct([matches[i] for i in core], rules), strict=True))
    results = [
        judge(one, family(row, base), corrected.get(i) or alone(one, rules), rules)
        for i, (row, one) in enumerate(zip(rows, matches, strict=True))
    ]
    if base is not None:
        p = [matches[i].p for i in core]
        for i, value in zip(core, step_down([rows[i] for i in core], p, base, test), strict=True):
            results[i] = replace(results[i], p_max_t=value)
    return results


def match(row: Row, base: Row | None, test: Examples, rules: Rules, looks: Sequence[int] = ()) -> Match:
    """Compare one row with the baseline; `withheld`: why there is no comparison or no verdict.

    With planned looks, seeds after the last look so far do not count yet.
    """
    if row is base:
        return Match(withheld="baseline")
    if base is None:
        return Match(withheld=f"no baseline {rules.baseline}")
    mixed = "" if rules.allow_mixed else mixture(row, base)
    if mixed:
        return Match(withheld=f"mixed environments: {mixed}")
    reason = ""
    if not row.complete:
        reason = incomplete(len(row.cells), len(row.seeds)).text
    elif not base.complete:
        reason = f"baseline {incomplete(len(base.cells), len(base.seeds)).text}"
    shared = sorted(set(row.cells) & set(base.cells))
    if not shared:
        return Match(withheld=reason or "no seed in common")
    counts = reached(len(shared), looks)
    if looks and not counts:
        reason = reason or f"first look at {looks[0]} seeds"
    shared = shared[: counts[-1]] if counts else shared
    own = stacked(row, shared)
    a, b = (right(one, tuple(shared), test) for one in (row, base))
    f1 = None if test.folds else macro_f1(row, base, tuple(shared), test)  # a fold is too small for one of its own
    return Match(
        compare(a, b),
        f1,
        reason,
        tuple(looks),
        tuple(compare(a[:count], b[:count]) for count in counts),
        rows=own.shape[1],
        tested=int((own >= 0).any(axis=0).sum()),
        folds=test.folds,
    )


@functools.lru_cache(maxsize=4)  # each row of a section asks for those of the baseline
def right(row: Row, seeds: tuple[int, ...], test: Examples) -> FloatArray:
    """Scores (S, M) of a row by seed and cluster, whose means are its accuracies."""
    return test.right(stacked(row, seeds))


@functools.lru_cache(maxsize=4)
def influence(row: Row, seeds: tuple[int, ...], test: Examples) -> FloatArray:
    """Scores (S, M) of a row by seed and cluster, whose means are its values of macro-F1."""
    return test.influence(stacked(row, seeds))


def macro_f1(row: Row, base: Row, seeds: tuple[int, ...], test: Examples) -> Comparison:
    """The difference of macro-F1; without interval and p where a class has too few test rows for them."""
    result = compare(influence(row, seeds, test), influence(base, seeds, test))
    return replace(result, low=math.nan, high=math.nan, p=math.nan) if test.few else result


def family(row: Row, base: Row | None) -> str:
    """The family of comparisons that a row belongs to; empty for the baseline."""
    return "" if row is base else "confirmatory" if row.spec["core"] else "exploratory"


def step_down(rows: Sequence[Row], p: Sequence[float], base: Row, test: Examples) -> list[float]:
    """p-values by step-down max-T over a family; a comparison without a p-value counts as independent of the others."""
    compared = [i for i, value in enumerate(p) if not math.isnan(value)]
    all_rows = [base, *(rows[i] for i in compared)]
    shared = sorted(set.intersection(*(set(row.cells) for row in all_rows)))
    correlation = np.eye(len(rows))
    if compared and shared:
        right = np.stack([test.right(stacked(row, shared)) for row in all_rows])
        scores = right[1:] - right[0]
        correlation[np.ix_(compared, compared)] = sure_correlation(covariances(scores), *effective_shape(scores))
    return [float(value) for value in max_t(p, correlation)] if len(rows) else []


def mixture(row: Row, base: Row) -> str:
    """The differences between the environments of two rows' cells, e.g. `torch 2.12.0, 2.13.0`; empty if nothing."""
    values = {key: sorted(row.environments[key] | base.environments[key]) for key in ENVIRONMENT}
    return "; ".join(f"{key} {', '.join(versions)}" for key, versions in values.items() if len(versions) > 1)


def stacked(row: Row, seeds: Sequence[int]) -> IntArray:
    """Predicted classes (S, N) of a row's cells at these seeds; -1 where a seed does not test an example."""
    return np.stack([row.cells[seed].predictions for seed in seeds])
