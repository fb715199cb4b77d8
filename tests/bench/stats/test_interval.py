import math

import numpy as np
import pytest
from scipy import stats

from bench.stats.interval import spread_of


def test_the_interval_covers_the_true_standard_deviation():
    draws = np.random.default_rng(0).normal(0.7, 0.02, (3_000, 6))
    found = [spread_of(row) for row in draws.tolist()]
    assert np.mean([one.low <= 0.02 <= one.high for one in found]) == pytest.approx(0.95, abs=0.015)


def test_a_spread_by_hand():
    result = spread_of([0.70, 0.72, 0.77])
    assert result.sd == pytest.approx(np.std([0.70, 0.72, 0.77], ddof=1))
    low, high = (result.sd * math.sqrt(2 / stats.chi2.ppf(q, 2)) for q in (0.975, 0.025))
    assert (result.low, result.high) == pytest.approx((low, high))


def test_too_few_draws_and_equal_ones():
    assert math.isnan(spread_of([0.7]).sd)
    assert spread_of([0.7, 0.7]).sd == 0.0
