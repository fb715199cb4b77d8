import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from bench.stats.conditional import label_swap, mcnemar, per_seed
from bench.stats.crossed import compare
from bench.stats.needed import expected, needed, smallest
from bench.stats.verdict import verdict


def random_correct(seed, seeds, rows, gap=0.1):
    rng = np.random.default_rng(seed)
    hard = rng.random(rows)
    return tuple(hard + 0.4 * rng.normal(size=(seeds, rows)) < at for at in (0.6 + gap, 0.6))


@pytest.mark.parametrize("seed", range(8))
def test_mcnemar_is_the_exact_one(seed):
    a, b = (part[0] for part in random_correct(seed, 1, 60, gap=0.05 * seed))
    result = mcnemar(a, b)
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    assert result.p == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)
    assert (result.a_alone, result.b_alone) == (table[0][1], table[1][0])
    assert result.p == pytest.approx(stats.binomtest(result.a_alone, result.a_alone + result.b_alone).pvalue)


def test_models_that_agree_do_not_differ():
    a = np.array([[True, False, True]] * 2)
    assert [one.p for one in per_seed(a, a)] == [1, 1]
    assert label_swap(a, a) == 1


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 10_000))
def test_label_swap_is_all_swaps(seeds, rows, seed):
    a, b = random_correct(seed, seeds, rows)
    total = (a.astype(int) - b).sum(axis=0)
    sums = [abs(np.dot(signs, total)) for signs in itertools.product((-1, 1), repeat=rows)]
    assert label_swap(a, b) == pytest.approx(np.mean(np.array(sums) >= abs(total.sum())))


def test_label_swap_of_one_seed_is_mcnemar():
    a, b = random_correct(3, 1, 2_000, gap=0.03)
    assert label_swap(a, b) == pytest.approx(mcnemar(a[0], b[0]).p)


def test_label_swap_of_many_rows_is_near_its_normal_limit():
    a, b = random_correct(4, 5, 3_000, gap=0.01)
    total = (a.astype(int) - b).sum(axis=0)
    z = (abs(total.sum()) - 0.5) / np.sqrt((total**2).sum())
    assert label_swap(a, b) == pytest.approx(2 * stats.norm.sf(z), rel=0.02)


def undecided(seed=3, gap=0.03):
    a, b = random_correct(seed, 4, 300, gap=gap)
    return compare(a.astype(float), b.astype(float))


def at(result, seeds, examples):
    """The half-width at the expected variances of another size."""
    from bench.stats.crossed import half_width

    return float(half_width(expected(result, seeds, examples), seeds, examples, 0.025))


def test_needed_is_the_smallest_sufficient_number():
    result = undecided()
    assert verdict(result, result.p).word == "undecided"
    more = needed(result, 0.01)
    assert (
        at(result, more.seeds, result.examples) < abs(result.difference) <= at(result, more.seeds - 1, result.examples)
    )
    assert (
        at(result, result.seeds, more.examples) < abs(result.difference) <= at(result, result.seeds, more.examples - 1)
    )


def test_a_family_needs_more():
    result = undecided(gap=0.09)
    assert result.p < 0.05
    assert needed(result, 0.01).seeds == result.seeds
    assert needed(result, 0.01, 20).seeds > result.seeds


def test_expected_variances_at_the_same_size_are_the_estimates():
    d = np.random.default_rng(0).normal(size=(4, 300)) + np.array([0.3, -0.3, 0.1, 0.2])[:, None] + np.arange(300) % 3
    result = compare(d, np.zeros_like(d))
    for name, value in expected(result, result.seeds, result.examples)._asdict().items():
        assert value == pytest.approx(result.components[name])


def test_rows_do_not_help_against_seeds():
    d = np.array([0.1, 0.3, -0.25, 0.2])[:, None] + np.zeros((4, 50))
    result = compare(d, np.zeros_like(d))
    assert needed(result, 0.01).examples is None
    assert needed(result, 0.01).seeds > 4


def test_one_seed_gives_no_needed_number_of_seeds():
    a, b = random_correct(0, 1, 300, gap=0.03)
    more = needed(compare(a.astype(float), b.astype(float)), 0.01)
    assert more.seeds is None
    assert more.examples > 300


def test_a_difference_of_zero_can_become_equivalent():
    result = dataclasses.replace(undecided(), difference=0.0)
    more = needed(result, 0.01)
    assert at(result, result.seeds, more.examples) <= 0.01


def test_smallest():
    assert smallest(lambda n: n >= 7, 3, 100) == 7
    assert smallest(lambda n: n >= 3, 3, 100) == 3
    assert smallest(lambda n: False, 3, 100) is None
