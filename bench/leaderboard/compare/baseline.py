"""Every method of a section against the baseline, on the seeds and test rows that both have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import IntArray
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.results import Match, Paired
from bench.leaderboard.rules import Rules
from bench.stats.crossed import compare_accuracy, compare_macro_f1
from bench.stats.multiple import CORRECTIONS, max_t
from bench.stats.needed import needed
from bench.stats.pairwise import covariances, sure_correlation
from bench.stats.verdict import Verdict, incomplete, verdict
from bench.store.layout import ENVIRONMENT

if TYPE_CHECKING:
    from bench.leaderboard.results import Row


def pair(rows: Sequence[Row], base: Row | None, test: Examples, rules: Rules) -> list[Paired]:
    """One `Paired` per row. The family's size is the number of planned core methods, whatever became of their cells."""
    matches = [match(row, base, test, rules) for row in rows]
    p = [found.p for found in matches]
    core = [i for i, row in enumerate(rows) if row.spec["core"] and row is not base]
    corrected = np.full(len(rows), math.nan)
    corrected[core] = CORRECTIONS[rules.correction]([p[i] for i in core])
    judgements = [
        judged(found, family(row, base), float(corrected[i]), rules.delta, len(core))
        for i, (row, found) in enumerate(zip(rows, matches, strict=True))
    ]
    if base is not None:
        for i, value in zip(core, stepped([rows[i] for i in core], [p[i] for i in core], base, test), strict=True):
            judgements[i] = replace(judgements[i], p_max_t=value)
    return judgements


def match(row: Row, base: Row | None, test: Examples, rules: Rules) -> Match:
    """Compare a row with the baseline, as far as it can be compared."""
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
    a, b = stacked(row, shared), stacked(base, shared)
    return Match(compare_accuracy(test.labels, a, b), compare_macro_f1(test.labels, a, b, test.classes), reason)


def family(row: Row, base: Row | None) -> str:
    """Which family of comparisons a row is in."""
    return "" if row is base else "confirmatory" if row.spec["core"] else "exploratory"


def stepped(rows: Sequence[Row], p: Sequence[float], base: Row, test: Examples) -> list[float]:
    """Step-down max-T over a family; a comparison that could not be made counts as independent."""
    made = [i for i, value in enumerate(p) if not math.isnan(value)]
    compared = [base, *(rows[i] for i in made)]
    shared = sorted(set.intersection(*(set(row.cells) for row in compared)))
    correlation = np.eye(len(rows))
    if made and shared:
        right = np.stack([stacked(row, shared) == test.labels for row in compared])
        scores = right[1:].astype(np.float64) - right[0]
        correlation[np.ix_(made, made)] = sure_correlation(covariances(scores), *scores.shape[1:])
    return [float(value) for value in max_t(p, correlation)] if len(rows) else []


def judged(found: Match, kind: str, corrected: float, delta: float, size: int) -> Paired:
    """What may be said of a match; `corrected`, of a family of this size, is looked at unless it is exploratory."""
    if found.accuracy is None or found.withheld:
        told = Verdict("", found.withheld)
        return Paired(found.accuracy, found.macro_f1, math.nan, kind, told, found.withheld)
    exploratory = kind == "exploratory"
    word = verdict(found.accuracy, found.p if exploratory else corrected, delta=delta, exploratory=exploratory)
    more = needed(found.accuracy, delta, 1 if exploratory else size) if word.word == "undecided" else None
    return Paired(found.accuracy, found.macro_f1, corrected, kind, word, needed=more)


def mixture(row: Row, base: Row) -> str:
    """What differs between the environments of two rows' cells, e.g. `torch 2.12.0, 2.13.0`; empty if nothing."""
    values = {key: sorted(row.environments[key] | base.environments[key]) for key in ENVIRONMENT}
    return "; ".join(f"{key} {', '.join(found)}" for key, found in values.items() if len(found) > 1)


def stacked(row: Row, seeds: Sequence[int]) -> IntArray:
    """Predictions (S, N)."""
    return np.stack([row.cells[seed].predictions for seed in seeds])
