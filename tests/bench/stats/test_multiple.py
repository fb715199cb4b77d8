import math

import numpy as np
import pytest

from bench.stats.crossed import Components
from bench.stats.multiple import best_group, holm, max_t
from bench.stats.pairwise import covariances, one_sided, pairwise, sure_correlation
from tests.bench.stats.simulate import gaussian


def test_max_t_of_independent_estimates_is_sidaks():
    p = [0.004, 0.03, 0.2]
    result = max_t(p, np.eye(3), draws=200_000)
    expected = np.maximum.accumulate([1 - (1 - one) ** left for one, left in zip(p, (3, 2, 1), strict=True)])
    assert result == pytest.approx(expected, rel=0.05)


def test_max_t_of_copies_of_one_estimate_corrects_nothing():
    assert max_t([0.02, 0.03], np.ones((2, 2))) == pytest.approx([0.02, 0.03], rel=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_max_t_never_exceeds_holm_and_counts_failures(seed):
    rng = np.random.default_rng(seed)
    p = [*rng.random(6) ** 3, math.nan]
    result, bound = max_t(p, 0.5 * np.eye(7) + 0.5), holm(p)
    assert math.isnan(result[6])
    assert (result[:6] <= bound[:6] + 1e-12).all()
    assert (result[:6] >= np.array(p[:6])).all()


def test_the_best_group():
    p = np.array([[1, 0.9, 0.9], [0.001, 1, 0.4], [0.001, 0.02, 1]])
    assert best_group(p, 0.05).tolist() == [True, False, False]
    assert best_group(np.full((3, 3), 0.04), 0.05).tolist() == [True, True, True]
    assert best_group(np.ones((1, 1)), 0.05).tolist() == [True]


def test_the_best_method_is_rarely_left_out():
    rng = np.random.default_rng(0)
    left_out = [
        not best_group(one_sided(*pairwise(gaussian(rng, 6, 5, 100, 0.03))[::2]), 0.05)[0]  # six methods, equally good
        for _ in range(400)
    ]
    assert np.mean(left_out) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_correlation_is_that_of_the_examples():
    rng = np.random.default_rng(1)
    shared = rng.normal(size=(1, 1, 400))
    scores = rng.normal(size=(3, 4, 400)) + np.array([1.0, 1.0, 0.0])[:, None, None] * 3 * shared
    result = sure_correlation(covariances(scores), 4, 400)
    assert np.diagonal(result).tolist() == [1, 1, 1]
    assert result[0, 1] > 0.9
    assert abs(result[0, 2]) < 0.2
    one = sure_correlation(covariances(scores[:, :1]), 1, 400)
    assert np.isfinite(one).all()
    still = Components(*(np.zeros((2, 2)) for _ in range(3)))
    assert sure_correlation(still, 4, 400).tolist() == [[1, 0], [0, 1]]
