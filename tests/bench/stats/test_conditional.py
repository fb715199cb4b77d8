import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from bench.stats.conditional import label_swap, mcnemar, per_seed


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
