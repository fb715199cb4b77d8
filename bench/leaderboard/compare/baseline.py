"""Comparison of every method of a section with the baseline, on the seeds and test rows that both have."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.leaderboard.compare.families import alone, correct, judge
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.results import Match, Paired
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison, Moments, compared, moments
from bench.stats.folds.variances import effective_shape
from bench.stats.looks import reached
from bench.stats.multiple import max_t
from bench.stats.pairwise import covariances, sure_correlation
from bench.stats.verdict import incomplete
from bench.store.layout import ENVIRONMENT

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def compare_with_baseline(
    rows: Sequence[Row], base: Row | None, test: Examples, rules: Rules, looks: Sequence[int]
) -> list[Paired]:
    """One `Paired` per row. `looks`: the numbers of seeds at which verdicts are read, if that was planned.

    p-values are corrected over all core methods that were planned, whether or not their cells have a result.
    """
    matches = match(rows, base, test, rules, looks, macro_f1=True)
    results = with_verdicts(rows, base, matches, rules)
    if base is not None:
        core = core_places(rows, base)
        p = [matches[i].p for i in core]
        for i, value in zip(core, step_down([rows[i] for i in core], p, base, test), strict=True):
            results[i] = replace(results[i], p_max_t=value)
    return results


def with_verdicts(rows: Sequence[Row], base: Row | None, matches: Sequence[Match], rules: Rules) -> list[Paired]:
    """The matches of rows with their verdicts: those of core methods corrected together, each other one alone."""
    parts, core = alone(matches, rules), core_places(rows, base)
    for i, part in zip(core, correct([matches[i] for i in core], rules), strict=True):
        parts[i] = part
    return judge(matches, [family(row, base) for row in rows], parts, rules)


def core_places(rows: Sequence[Row], base: Row | None) -> list[int]:
    """The places of the core methods among rows, without the baseline."""
    return [i for i, row in enumerate(rows) if row.spec["core"] and row is not base]


def match(
    rows: Sequence[Row],
    base: Row | None,
    test: Examples,
    rules: Rules,
    looks: Sequence[int],
    *,
    macro_f1: bool = False,
) -> list[Match]:
    """Compare each row with the baseline by accuracy, and by macro-F1 if asked.

    `withheld` of a match: why there is no comparison or no verdict. With planned looks, seeds after the last look so
    far do not count yet.
    """
    with_f1 = macro_f1 and not test.folds  # a fold is too small for one of its own
    planned = [plan(row, base, test, rules, looks, with_f1) for row in rows]
    results = iter(compared([one for each in planned for one in each.moments]))
    return [each.match(tuple(itertools.islice(results, len(each.moments)))) for each in planned]


@dataclass(frozen=True)
class Planned:
    """A match before its comparisons are computed, all at once.

    `moments`: of accuracy, of macro-F1 (with `macro_f1`), of each look.
    """

    fixed: Match
    moments: tuple[Moments, ...] = ()
    macro_f1: bool = False
    silent_f1: bool = False  # a class has too few test rows for an interval of macro-F1

    def match(self, results: Sequence[Comparison]) -> Match:
        """The match with the comparisons of its moments."""
        if not results:
            return self.fixed
        accuracy, *more = results
        f1 = more.pop(0) if self.macro_f1 else None
        if f1 and self.silent_f1:
            f1 = replace(f1, low=math.nan, high=math.nan, p=math.nan)
        return replace(self.fixed, accuracy=accuracy, macro_f1=f1, at_looks=tuple(more))


def plan(row: Row, base: Row | None, test: Examples, rules: Rules, looks: Sequence[int], macro_f1: bool) -> Planned:
    """What is compared of a row and the baseline."""
    if row is base:
        return Planned(Match(withheld="baseline"))
    if base is None:
        return Planned(Match(withheld=f"no baseline {rules.baseline}"))
    mixed = "" if rules.allow_mixed else mixture(row, base)
    if mixed:
        return Planned(Match(withheld=f"mixed environments: {mixed}"))
    reason = ""
    if not row.complete:
        reason = incomplete(len(row.cells), len(row.seeds)).text
    elif not base.complete:
        name = "baseline" if base.label == rules.baseline else base.label
        reason = f"{name} {incomplete(len(base.cells), len(base.seeds)).text}"
    shared = sorted(set(row.cells) & set(base.cells))
    if not shared:
        return Planned(Match(withheld=reason or "no seed in common"))
    if len(shared) == 1 and len({*row.seeds, *base.seeds}) > 1:
        reason = reason or "one seed in common"  # it says nothing about others; where a section has one, it says so
    counts = reached(len(shared), looks)
    if looks and not counts:
        reason = reason or f"first look at {looks[0]} seeds"
    shared = shared[: counts[-1]] if counts else shared
    own = stacked(row, shared)
    tested = int((own >= 0).any(axis=0).sum())
    fixed = Match(withheld=reason, looks=tuple(looks), rows=own.shape[1], tested=tested, folds=test.folds)
    a, b = (right(one, tuple(shared), test) for one in (row, base))
    f1 = (influence(one, tuple(shared), test) for one in (row, base))
    of_f1 = [moments(*f1, sizes=test.sizes)] if macro_f1 else []
    at_looks = (moments(a[:n], b[:n], sizes=test.sizes) for n in counts)
    return Planned(fixed, (moments(a, b, sizes=test.sizes), *of_f1, *at_looks), macro_f1, bool(test.few))


@functools.lru_cache(maxsize=4)  # each row of a section asks for those of the baseline
def right(row: Row, seeds: tuple[int, ...], test: Examples) -> FloatArray:
    """Scores (S, M) of a row by seed and cluster, whose means are its accuracies."""
    return test.right(stacked(row, seeds))


@functools.lru_cache(maxsize=4)
def influence(row: Row, seeds: tuple[int, ...], test: Examples) -> FloatArray:
    """Scores (S, M) of a row by seed and cluster, whose means are its values of macro-F1."""
    return test.influence(stacked(row, seeds))


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
