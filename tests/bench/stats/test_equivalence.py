"""*equivalent* is rarely said of a difference at the margin, also where hardly any row differs."""

import numpy as np
import pytest
from scipy import stats

from bench.stats.crossed import compare, components, half_width
from bench.stats.equivalence import non_inferior, p_equivalent, reach
from bench.stats.verdict import verdict
from tests.helpers.single import equivalence

DELTA = 0.01


def differing(rng, grids, seeds, rows, other, *, lasting=True):
    """Differences (R, S, N) of 1 in a share DELTA + other of the rows and of -1 in `other`; true difference: DELTA."""
    chance = rng.random((grids, 1 if lasting else seeds, rows), np.float32)
    once = (chance < DELTA + other).astype(np.float64) - (chance > 1 - other)
    return np.broadcast_to(once, (grids, seeds, rows))


@pytest.mark.parametrize(
    ("seeds", "rows", "other", "lasting", "interval"),
    [(1, 80, 0.0, True, 0.44), (3, 80, 0.0, False, 0.03), (1, 350, 0.0, True, 0.12), (1, 1_000, 0.0, True, 0.05)],
)
def test_a_difference_at_the_margin_is_rarely_equivalent(seeds, rows, other, lasting, interval):
    scores = differing(np.random.default_rng(seeds), 1_000, seeds, rows, other, lasting=lasting)
    variances, size = components(scores), np.abs(scores.mean(axis=(1, 2)))
    assert (size + half_width(variances, seeds, rows, 0.025) <= DELTA).mean() >= interval - 0.03, "by the interval"
    assert (p_equivalent(size, variances, seeds, rows, DELTA) < 0.05).mean() <= 0.025


@pytest.mark.parametrize("rows", [40, 80, 350, 2_000])
def test_without_a_differing_row_it_is_near_the_exact_bound(rows):
    exact = 1 - 0.025 ** (1 / rows)
    assert exact < float(reach(np.zeros(()), rows, 0.025)) < 1.2 * exact
    same = compare(np.ones((3, rows)), np.ones((3, rows)))
    assert same.high == -same.low == pytest.approx(stats.t.ppf(0.975, rows - 1) ** 2 / rows)
    assert (verdict(same, 1.0).word == "equivalent") == (same.high < DELTA)


def test_p_is_where_the_reach_meets_the_margin():
    rng = np.random.default_rng(0)
    right = rng.random((3, 3_000)) < 0.9
    result = compare(right.astype(float), np.where(rng.random(right.shape) < 0.01, ~right, right).astype(float))
    p = equivalence(result, 0.02)
    variances = components(right - np.zeros(right.shape))._replace(
        **{name: np.asarray(value) for name, value in result.components.items()}
    )
    distance = reach(half_width(variances, 3, 3_000, p / 2), 3_000, p / 2)
    assert 0 < p < 1
    assert float(distance) == pytest.approx(0.02 - abs(result.difference))
    assert equivalence(result, 0.03) < p
    assert equivalence(result, abs(result.difference)) == 1


def test_with_many_differing_rows_it_is_the_usual_rule():
    rng = np.random.default_rng(1)
    scores = rng.choice([-1.0, 0.0, 1.0], size=(5, 20_000))
    half = half_width(components(scores), 5, 20_000, 0.025)
    assert float(reach(half, 20_000, 0.025)) == pytest.approx(float(half), rel=0.03)


def test_it_is_corrected_over_the_family():
    right = np.random.default_rng(2).random((3, 900)) < 0.9
    same = compare(right.astype(float), right.astype(float))
    p = equivalence(same, DELTA)
    assert 0.001 < p < 0.05
    assert verdict(same, 1.0, p, family=1).word == "equivalent"
    assert verdict(same, 1.0, min(1.0, 50 * p), family=50).word == "undecided"


@pytest.mark.parametrize(("seeds", "rows", "other"), [(1, 80, 0.0), (1, 1_000, 0.0), (3, 2_000, 0.01)])
def test_a_loss_of_the_margin_is_rarely_called_non_inferior(seeds, rows, other):
    scores = -differing(np.random.default_rng(seeds + rows), 300, seeds, rows, other)
    found = [non_inferior(compare(one, np.zeros_like(one)), DELTA) < 0.05 for one in scores]
    assert np.mean(found) <= 0.025 + 2 * np.sqrt(0.025 / 300)


def test_non_inferiority_is_one_sided():
    rng = np.random.default_rng(4)
    better = (rng.random((3, 2_000)) < 0.8).astype(float)
    worse = better * (rng.random((3, 2_000)) < 0.95)
    assert non_inferior(compare(better, worse), DELTA) < 0.001
    assert non_inferior(compare(worse, better), DELTA) == 1
    same = compare(better, better)
    assert non_inferior(same, DELTA) == pytest.approx(equivalence(same, DELTA))
