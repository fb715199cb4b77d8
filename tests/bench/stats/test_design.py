"""Planned power and needed numbers, against simulated grids."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.stats.calibration import Design, draw
from bench.stats.crossed import compare, half_width
from bench.stats.design import Question
from bench.stats.interval import EQUAL
from bench.stats.power import Effects, in_folds
from tests.helpers.single import detectable


def question(sd, *, family=8, effect=0.03, known=0):
    design = Design(0, 0, sd)
    return Question(effect, 0.8, family, 0.01, Effects(design.sd**2, design.example, design.residual), known)


@pytest.mark.parametrize("sd", [0.0, 0.01, 0.025])
@pytest.mark.parametrize("seeds", [3, 10])
def test_the_curve_is_the_power_of_simulated_grids(sd, seeds):
    design, asked = Design(seeds, 2_000, sd), question(sd)
    grids = draw(np.random.default_rng(seeds), 20_000, design)
    half = half_width(grids.variances, seeds, 2_000, 0.025 / 8)
    found = (grids.mean + 0.03 > half).mean()
    assert asked.curve([seeds], 2_000)[0] == pytest.approx(found, abs=0.015)


def test_what_is_needed_is_the_least_that_is_enough():
    asked = question(0.02)
    seeds = asked.seeds(2_000).number
    assert asked.at(seeds, 2_000) >= 0.8 > asked.at(seeds - 1, 2_000)
    assert asked.seeds(2_000).low is None, "a supposed variance has no interval"
    rows = asked.examples(20)
    assert asked.at(20, rows) >= 0.8 > asked.at(20, rows - 1)
    assert asked.examples(1) is None
    assert question(0.025).examples(3) is None, "no number of rows makes up for 3 seeds"


def test_an_estimated_variance_has_an_interval():
    count = question(0.02, known=5).seeds(2_000)
    assert count.low < question(0.02).seeds(2_000).number < count.high
    assert question(0.02, known=50).seeds(2_000).high < count.high


def test_a_larger_family_needs_more():
    assert question(0.01, family=1).seeds(2_000).number < question(0.01, family=30).seeds(2_000).number


def cross_validated(rng, truth, seeds, rows, folds):
    """Differences (J, N) of a repeated cross-validation, NaN where a seed does not test a row.

    The mean has an error of its own, because the rows that test are those that teach: its variance over rows is that of
    N (K - 1)/K rows.
    """
    tested = rows * min(seeds, folds) / folds
    shared = (truth.example + truth.rest / max(1, seeds / folds)) / (tested * (folds - 1))
    of_row = rng.normal(rng.normal(0, np.sqrt(shared)), np.sqrt(truth.example), rows)
    scores = np.full((seeds, rows), np.nan)
    for seed in range(seeds):
        if seed % folds == 0:
            fold = rng.permutation(np.arange(rows) % folds)
        own = np.flatnonzero(fold == seed % folds)
        scores[seed, own] = rng.normal(of_row[own], np.sqrt(truth.rest)) + rng.normal(0, np.sqrt(truth.seed))
    return scores


@pytest.mark.parametrize("seeds", [2, 5, 10])
def test_the_power_of_folds_is_that_of_simulated_cross_validations(seeds):
    """As if every seed tested all rows, the power with 5 seeds was said to be 77 % and is below 50 %."""
    truth, rows, folds, effect = Effects(0.025**2, 0.15 * 0.3, 0.15 * 0.7), 300, 5, 0.06
    rng, found = np.random.default_rng(seeds), 0
    for _ in range(400):
        scores = cross_validated(rng, truth, seeds, rows, folds) + effect
        found += compare(scores, np.where(np.isnan(scores), np.nan, 0.0)).low > 0
    asked = Question(effect, 0.8, 1, 0.01, truth, folds=folds)
    assert asked.at(seeds, rows) == pytest.approx(found / 400, abs=0.06)


def test_of_folds_whole_repeats_are_needed_and_real_rows_are_counted():
    truth = Effects(0.01**2, 0.05, 0.1)
    asked = Question(0.06, 0.8, 1, 0.01, truth, folds=5)
    assert asked.unit == "cross-validated real row"
    seeds = asked.seeds(300).number
    assert seeds % 5 == 0
    assert asked.at(seeds, 300) >= 0.8 > asked.at(seeds - 5, 300)
    rows = asked.examples(5)
    assert asked.at(5, rows) >= 0.8 > asked.at(5, rows - 1)
    assert asked.at(5, rows) < question(0.01, family=1, effect=0.06).at(5, rows), "a fixed test is tested by each seed"
    assert asked.examples(2) is None or asked.examples(2) > 2 * rows, "two folds of five are tested"


def test_the_detectable_difference_of_folds_has_80_percent_power():
    """The variance between seeds is what is left without that of their rows: badly known, even where it is 0."""
    truth, rows, folds, seeds = Effects(0.025**2, 0.15 * 0.3, 0.15 * 0.7), 300, 5, 5
    known, examples = in_folds(truth, folds, seeds, rows)
    values = {"seed": known.seed, "example": known.example, "interaction": 0.0, "within": known.within}
    result = SimpleNamespace(
        seeds=seeds, examples=examples, conditional=False, components=values, varies=True, sizes=EQUAL
    )
    effect = detectable(result, delta=0.01).difference
    rng, found = np.random.default_rng(9), 0
    for _ in range(400):
        scores = cross_validated(rng, truth, seeds, rows, folds) + effect
        found += compare(scores, np.where(np.isnan(scores), np.nan, 0.0)).low > 0
    assert found / 400 == pytest.approx(0.8, abs=0.06)
