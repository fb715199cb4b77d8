"""The detectable difference is the one at which the verdict, as it is corrected, has 80 % power."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from bench.stats.calibration import Design, draw
from bench.stats.crossed import Components, compare, half_width
from bench.stats.equivalence import reach
from bench.stats.interval import EQUAL
from bench.stats.power import Detectable, Effects, power
from bench.stats.verdict import points, verdict, with_interval
from tests.helpers.single import detectable, effects, extremes


def as_estimated(design, seeds=None, examples=None):
    """A comparison whose sample variances are the expected ones of a design."""
    seeds, examples = seeds or design.seeds, examples or design.examples
    parts = Effects(design.sd**2, design.example, design.residual).expected(seeds, examples)
    values = {name: float(value) for name, value in parts._asdict().items()}
    return SimpleNamespace(
        seeds=seeds,
        examples=examples,
        conditional=seeds == 1,
        components=values,
        difference=0.0,
        varies=True,
        sizes=EQUAL,
    )


def share_better(design, difference, family, delta=0.01, draws=20_000):
    """How often the verdict at Holm's first step is *better*, over simulated grids of this true difference."""
    sample = draw(np.random.default_rng(5), draws, design)
    one = Components(*(value[:, 0] for value in sample.variances))
    estimate = sample.mean[:, 0] + difference
    corrected = half_width(one, design.seeds, design.examples, 0.025 / family)
    margin = reach(corrected, design.examples, 0.025 / family)
    return float(((estimate > corrected) & (np.abs(estimate) + margin > delta)).mean())


@pytest.mark.parametrize("family", [1, 8])
@pytest.mark.parametrize("sd", [0.0, 0.01, 0.025])
@pytest.mark.parametrize(("seeds", "examples"), [(2, 350), (3, 80), (3, 2_000), (5, 350), (10, 2_000), (20, 20_000)])
def test_the_verdict_has_80_percent_power_there(seeds, examples, sd, family):
    design = Design(seeds, examples, sd)
    found = detectable(as_estimated(design), delta=0.01, family=family)
    assert share_better(design, found.difference, family) == pytest.approx(0.8, abs=0.015)
    assert found.low <= found.difference <= found.high


@pytest.mark.parametrize(("seeds", "expected"), [(3, 0.242), (5, 0.079), (10, 0.041)])
def test_a_corrected_verdict_needs_more_than_an_uncorrected_one(seeds, expected):
    result = as_estimated(Design(seeds, 2_000, 0.025))
    assert detectable(result, delta=0.01, family=8).difference == pytest.approx(expected, abs=0.0005)
    assert detectable(result, delta=0.01).difference < 0.75 * expected


def test_with_seed_variance_alone_it_is_the_noncentral_t():
    d = np.array([0.1, 0.3, -0.05, 0.2])[:, None] + np.zeros((4, 50))
    result = compare(d, np.zeros_like(d))
    found = detectable(result, delta=0.0, family=3).difference
    shift = found / (d[:, 0].std(ddof=1) / 2)
    assert stats.nct.sf(stats.t.ppf(1 - 0.025 / 3, 3), 3, shift) == pytest.approx(0.8, abs=0.005)


def test_a_difference_that_would_be_called_equivalent_is_not_detected():
    design = Design(10, 200_000, 0.0)
    found = detectable(as_estimated(design), delta=0.01)
    assert found.difference > 0.008
    assert share_better(design, found.difference, 1) == pytest.approx(0.8, abs=0.015)
    assert detectable(as_estimated(design), delta=0.0).difference < 0.005


def test_one_seed_counts_rows_alone():
    rng = np.random.default_rng(0)
    a, b = (rng.random((1, 400)) < share for share in (0.75, 0.7))
    result = compare(a.astype(float), b.astype(float))
    found = detectable(result, delta=0.01).difference
    assert found == pytest.approx((stats.t.ppf(0.975, 399) + stats.norm.ppf(0.8)) * result.se, rel=1e-3)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_holds_the_detectable_difference_of_the_true_variances_in_80_percent(seeds):
    design = Design(seeds, 2_000, 0.025)
    true = detectable(as_estimated(design), delta=0.01, family=8).difference
    sample = draw(np.random.default_rng(7), 300, design).variances
    spans = []
    for place in range(300):
        result = as_estimated(design)
        result.components = {name: float(value[place, 0]) for name, value in sample._asdict().items()}
        spans.append(detectable(result, delta=0.01, family=8))
    assert 0.74 <= np.mean([one.low <= true <= one.high for one in spans]) <= 0.9


def test_few_discordant_rows_leave_their_variance_uncertain():
    result = as_estimated(Design(5, 2_000, 0.0, total=0.002))
    few, many = extremes(result), extremes(as_estimated(Design(5, 2_000, 0.0)))
    assert few[1].example / few[0].example > 2 > many[1].example / many[0].example
    freedom = 2 * 2_000 * result.components["example"]
    assert 2 < freedom < 20
    ends = [freedom / stats.chi2.isf(tail, freedom) for tail in (0.1, 0.9)]
    assert [end.example / effects(result).example for end in few] == pytest.approx(ends)


@pytest.mark.parametrize("difference", [0.0, 0.02, 0.05])
def test_power_is_the_share_of_right_verdicts(difference):
    design = Design(5, 2_000, 0.01)
    sample = draw(np.random.default_rng(1), 20_000, design)
    one = Components(*(value[:, 0] for value in sample.variances))
    estimate = sample.mean[:, 0] + difference
    corrected = half_width(one, 5, 2_000, 0.025 / 4)
    equivalent = np.abs(estimate) + reach(corrected, 2_000, 0.025 / 4) <= 0.02
    right = (estimate > corrected) & ~equivalent | equivalent & (difference <= 0.02)
    found = power(effects(as_estimated(design)), 5, 2_000, difference, delta=0.02, family=4)
    assert found == pytest.approx(right.mean(), abs=0.012)


def test_expected_variances_at_the_same_size_are_the_estimates():
    d = np.random.default_rng(0).normal(size=(4, 300)) + np.array([0.3, -0.3, 0.1, 0.2])[:, None] + np.arange(300) % 3
    result = compare(d, np.zeros_like(d))
    for name, value in effects(result).expected(result.seeds, result.examples)._asdict().items():
        assert value == pytest.approx(result.components[name])


def test_the_verdict_names_what_its_family_can_detect():
    rng = np.random.default_rng(3)
    a, b = (rng.random((3, 300)) < share for share in (0.72, 0.7))
    result = compare(a.astype(float), b.astype(float))
    alone, of_eight = (verdict(result, 0.5, family=size) for size in (1, 8))
    assert alone.detectable.difference < of_eight.detectable.difference
    assert f"(detectable: {points(of_eight.detectable.difference)})" in of_eight.text


def test_where_no_difference_can_be_detected_the_verdict_says_nothing():
    result = as_estimated(Design(2, 80, 0.0))
    result = dataclasses.replace(
        compare(np.eye(2, 80), np.zeros((2, 80))), low=-1.0, high=1.0, components=result.components
    )
    assert verdict(result, 0.9, family=8).text == "undecided (detectable: nothing)"


def test_identical_methods_need_no_difference():
    same = compare(np.ones((3, 20)), np.ones((3, 20)))
    found = detectable(same, delta=0.01)
    assert found.difference == found.low == found.high == pytest.approx(same.high), "the interval leaves as much open"
    assert detectable(same, delta=0.01, family=8).difference > found.difference


def test_an_interval_beyond_all_differences_is_not_shown() -> None:
    """It was "nothing (80 % interval 100 to 100)"."""
    assert with_interval(Detectable(1.4, 1.1, 2.0)) == "nothing"
    assert with_interval(Detectable(1.4, 0.4, 2.0)) == "nothing (80 % interval 40 to 100)"
    assert with_interval(Detectable(0.242, 0.11, 0.75)) == "24.2 points (80 % interval 11 to 75)"
