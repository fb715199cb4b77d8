"""Whether a section can say anything about methods, and why not.

A section is not informative if it has one seed, the settings of a smoke test, a baseline at chance, no method that
beats the majority class, or intervals that exclude nothing. Such a section has no verdicts and no ranking.

The tests against a constant guess are for these trained models, on new test examples: they ask whether the models
learned anything. 5 % two-sided, with Holm's correction over the methods of the section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bench.arrays import FloatArray
from bench.config.settings import PRESETS
from bench.leaderboard.compare.baseline import stacked
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.results import Row, find
from bench.stats.crossed import by_cluster, compared, correct, moments
from bench.stats.interval import Sizes
from bench.stats.multiple import holm
from bench.stats.power import Detectable
from bench.stats.verdict import ALPHA

SMOKE = "smoke"
FINDS_NOTHING = "no difference, however large, would have been found with these seeds and test rows"  # a reason
FEWEST_UPDATES = (PRESETS["quick"].settings.updates or 0) // 2  # with fewer, settings count as those of a smoke test


def reasons(
    spec: Mapping[str, Any], rows: Sequence[Row], test: Examples, baseline: str, beat_majority: frozenset[str]
) -> tuple[str, ...]:
    """Why a section is not informative, one clause per reason; empty if it is. `rows`: with their comparisons.

    `beat_majority`: what `beats_majority` gives for the rows.
    """
    measured = [row for row in rows if row.cells]
    return tuple(found(spec, measured, test, baseline, beat_majority)) if measured else ()


def found(
    spec: Mapping[str, Any], rows: Sequence[Row], test: Examples, baseline: str, beat_majority: frozenset[str]
) -> Iterator[str]:
    """The reasons that apply to the rows that have a result."""
    if len(spec["seeds"]) == 1:
        yield "there is one seed, so a difference between methods may be one between seeds"
    updates = spec["settings"].get("updates")
    if of_smoke_test(spec["preset"], updates):
        yield f"the settings are those of a smoke test ({updates} updates)"
    majority = f"a constant guess ({100 * spec['majority']:.1f} %)"
    if not beat_majority:
        yield f"no method is shown to be better than {majority}"
    else:
        base = find(rows, baseline)
        if base is not None and at_chance(base, test):
            yield (
                f"the baseline {baseline} is at chance (mean recall of the classes not shown to be above "
                f"{100 / len(np.unique(test.labels)):.1f} %), so a difference to it says little about a method"
            )
    verdicts = [row.paired.verdict for row in rows if row.paired and row.paired.verdict.detectable]
    more_seeds_follow = bool(spec.get("looks"))
    if (
        verdicts
        and not more_seeds_follow
        and all(one.word == "undecided" and at_least_all(one.detectable) for one in verdicts)
    ):
        yield FINDS_NOTHING


def of_smoke_test(preset: str, updates: int | None) -> bool:
    """Whether settings are those of a smoke test: the preset, or few updates."""
    return preset == SMOKE or (updates is not None and updates < FEWEST_UPDATES)


def at_least_all(found: Detectable | None) -> bool:
    """Whether not even 100 points would be detected."""
    return found is not None and found.difference >= 1


def beats_majority(rows: Sequence[Row], test: Examples) -> frozenset[str]:
    """The labels of the methods that are shown to be better than always predicting the most frequent class.

    Rows without a result are left out.
    """
    rows = [row for row in rows if row.cells]
    guess = test.right(np.full_like(test.labels, np.bincount(test.labels).argmax()))
    return above(rows, [by_cluster(mean_correct(row, test), test.clusters) for row in rows], guess, test.sizes)


def at_chance(row: Row, test: Examples) -> bool:
    """Whether a method's mean recall over the classes is not shown to be above that of a constant guess."""
    counts = np.bincount(test.labels)
    share = counts[test.labels] / len(test.labels)
    classes = np.count_nonzero(counts)
    recall = by_cluster(mean_correct(row, test) / (classes * share), test.clusters)
    return not above([row], [recall], np.full(test.count, 1 / classes), test.sizes)


def mean_correct(row: Row, test: Examples) -> FloatArray:
    """(N,) the share of the row's seeds that are right on each test example; NaN for an example that no seed tests."""
    right = correct(test.labels, stacked(row, sorted(row.cells)))
    tested = (~np.isnan(right)).sum(axis=0)
    return np.where(tested > 0, np.nansum(right, axis=0) / np.maximum(tested, 1), np.nan)


def above(rows: Sequence[Row], scores: Sequence[FloatArray], guess: FloatArray, sizes: Sizes) -> frozenset[str]:
    """The labels of the rows whose scores (M,) by cluster have a mean significantly above that of `guess` (M,)."""
    tested = [~np.isnan(score) for score in scores]
    pairs = [(score[None, known], guess[None, known]) for score, known in zip(scores, tested, strict=True)]
    results = compared([moments(*pair, sizes=sizes) for pair in pairs])
    corrected = holm([one.p for one in results])
    return frozenset(
        row.label for row, one, p in zip(rows, results, corrected, strict=True) if one.difference > 0 and p < ALPHA
    )
