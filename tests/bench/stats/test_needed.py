"""The numbers that would settle a comparison do so with 80 % power, and are the smallest that do."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from bench.stats import equivalence as equivalences
from bench.stats import needed as needs
from bench.stats import power as powers
from bench.stats.calibration import Design, draw
from bench.stats.crossed import compare, compared, moments
from bench.stats.interval import EQUAL
from bench.stats.needed import Count, smallest
from bench.stats.power import Effects, in_folds, power
from tests.bench.stats.test_conditional import random_correct
from tests.bench.stats.test_power import as_estimated, share_better
from tests.helpers.single import detectable, effects, equivalence, needed

SIZES = ((1, 300), (2, 60), (3, 300), (5, 800))  # seeds and rows


def undecided(seed=3, gap=0.03):
    a, b = random_correct(seed, 4, 300, gap=gap)
    return compare(a.astype(float), b.astype(float))


def with_difference(design, difference):
    result = as_estimated(design)
    result.difference = difference
    return result


@pytest.mark.parametrize(("family", "seeds"), [(1, 10), (8, 18)])
def test_as_many_seeds_settle_it_in_80_percent_and_one_less_does_not(family, seeds):
    found = needed(with_difference(Design(3, 2_000, 0.025), 0.03), 0.01, family).seeds
    assert found.number == seeds
    assert found.low < seeds < found.high
    shares = [share_better(Design(count, 2_000, 0.025), 0.03, family) for count in (seeds - 1, seeds)]
    assert shares[0] < 0.805
    assert shares[1] > 0.795


def test_rows_settle_what_rows_leave_open():
    found = needed(with_difference(Design(5, 350, 0.0), 0.03), 0.01, 8).examples
    assert share_better(Design(5, found.number, 0.0), 0.03, 8) == pytest.approx(0.8, abs=0.015)


@pytest.mark.parametrize("difference", [0.0, 0.004, 0.03])
def test_power_grows_with_seeds_and_rows(difference):
    truth = effects(with_difference(Design(3, 350, 0.01), difference))
    for sizes in ([(n, 350) for n in range(2, 200, 3)], [(3, n) for n in range(50, 50_000, 700)]):
        values = [power(truth, *size, difference, delta=0.01, family=8) for size in sizes]
        assert np.all(np.diff(values) > -1e-6)


def test_the_interval_reflects_how_well_the_variances_are_known():
    design = Design(3, 2_000, 0.025)
    true = needed(with_difference(design, 0.03), 0.01, 8).seeds.number
    sample = draw(np.random.default_rng(8), 150, design).variances
    held = 0
    for place in range(150):
        result = with_difference(design, 0.03)
        result.components = {name: float(value[place, 0]) for name, value in sample._asdict().items()}
        found = needed(result, 0.01, 8).seeds
        held += found.low <= true <= (found.high or found.most)
    assert 0.72 <= held / 150 <= 0.9


def test_a_family_needs_more():
    seeds, rows = (with_difference(Design(5, *size), 0.03) for size in ((2_000, 0.02), (350, 0.0)))
    assert needed(seeds, 0.01, 20).seeds.number > needed(seeds, 0.01).seeds.number > 5
    assert needed(rows, 0.01, 20).examples.number > needed(rows, 0.01).examples.number > 350


def test_rows_do_not_help_against_seeds():
    d = np.array([0.1, 0.3, -0.25, 0.2])[:, None] + np.zeros((4, 50))
    more = needed(compare(d, np.zeros_like(d)), 0.01)
    assert more.examples.number is None
    assert more.seeds.number > 4


def test_one_seed_gives_no_needed_number_of_seeds():
    a, b = random_correct(0, 1, 300, gap=0.03)
    more = needed(compare(a.astype(float), b.astype(float)), 0.01)
    assert more.seeds is None
    assert more.examples.low < more.examples.number < more.examples.high


def test_a_difference_of_zero_can_become_equivalent():
    result = dataclasses.replace(undecided(), difference=0.0)
    more = needed(result, 0.01).examples.number
    shares = [power(effects(result), result.seeds, count, 0.0, delta=0.01) for count in (more - 1, more)]
    assert shares[0] < 0.8 <= shares[1]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_folds_need_real_rows_and_whole_repeats(seeds):
    """Two of five folds test 120 of 300 real rows; the rows that are needed were counted as tested ones."""
    truth, rows, difference = Effects(0.0004, 0.1, 0.0), 300, 0.07
    known, examples = in_folds(truth, 5, seeds, rows)
    assert examples == {2: 96, 3: 144, 5: 240}[seeds]
    values = {"seed": known.seed, "example": known.example, "interaction": 0.0, "within": known.within}
    result = SimpleNamespace(
        seeds=seeds,
        examples=examples,
        conditional=False,
        components=values,
        difference=difference,
        varies=True,
        sizes=EQUAL,
    )
    found = needed(result, 0.01, 1, rows, folds=5)
    assert found.unit == "cross-validated real row"

    def at(count, real):
        parts, examples = in_folds(truth, 5, count, real)
        return power(parts, count, examples, difference, delta=0.01)

    number, real = found.seeds.number, found.examples.number
    assert number % 5 == 0
    assert at(number, rows) >= 0.8 > at(number - 5, rows)
    assert real is None or at(seeds, real) >= 0.8 > at(seeds, real - 1)
    assert (real is None) == (seeds == 2)


def test_text():
    rows = Count(1_200, 900, 2_000, 5_000)
    assert rows.text == "1,200 (80 % interval 900 to 2,000)"
    assert dataclasses.replace(rows, high=None).text == "1,200 (80 % interval 900 to more than 5,000)"
    assert dataclasses.replace(rows, number=None, low=None, high=None).text == "more than 5,000"


def test_smallest():
    assert smallest(lambda n: n >= 7, 3, 100) == 7
    assert smallest(lambda n: n >= 3, 3, 100) == 3
    assert smallest(lambda n: n < 0, 3, 100) == 0, "none is enough"
    goals = np.array([[3, 50], [101, 4]])
    assert smallest(lambda n: n >= goals, 3, np.array([100, 60])).tolist() == [[3, 50], [0, 4]]


def test_several_comparisons_at_once_are_as_each_alone():
    """Of one seed and several, of few rows and many, in families of their own; also where nothing varies."""
    pairs = [random_correct(place, seeds, rows, gap=0.04) for place, (seeds, rows) in enumerate(SIZES)]
    moment = [moments(*(side.astype(float) for side in pair)) for pair in pairs]
    moment.append(moments(np.ones((3, 80)), np.ones((3, 80))))
    whole, families = compared(moment), [1, 8, 3, 1, 8]
    assert list(map(repr, whole)) == [repr(compared([one])[0]) for one in moment]
    found = powers.detectable(whole, delta=0.01, family=np.array(families))
    alone = [detectable(one, delta=0.01, family=size) for one, size in zip(whole, families, strict=True)]
    assert [dataclasses.astuple(one) for one in found] == [pytest.approx(dataclasses.astuple(one)) for one in alone]
    rows = [2 * one.examples for one in whole]
    settled = needs.needed(whole, 0.01, np.array(families), rows)
    parts = zip(whole, families, rows, strict=True)
    assert settled == [needed(one, 0.01, size, count) for one, size, count in parts]
    assert equivalences.equivalence(whole, 0.02) == [equivalence(one, 0.02) for one in whole]
