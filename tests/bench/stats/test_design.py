"""Planned power and needed numbers, against simulated grids."""

import numpy as np
import pytest

from bench.stats.calibration import Design, draw
from bench.stats.crossed import half_width
from bench.stats.design import Question
from bench.stats.power import Effects


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
