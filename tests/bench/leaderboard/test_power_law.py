import numpy as np
import pytest
from scipy.optimize import nnls

from bench.leaderboard.power_law import EXPONENTS, FEWEST_SIZES, fit, learning_curve

SIZES = np.array([25.0, 50, 100, 200, 400])


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 1.0, 0.5), (0.0, 0.8, 0.3), (0.2, 0.0, 0.5), (0.05, 2.0, 1.0)])
def test_a_law_without_noise_is_found(a, b, c):
    law = fit(SIZES, (a + b * SIZES**-c)[None])
    for size in (25, 400, 1600):
        assert law.error(size)[0] == pytest.approx(a + b * size**-c, abs=1e-3)


def test_each_fit_is_the_best_non_negative_one():
    rng = np.random.default_rng(0)
    for errors in rng.uniform(0.05, 0.5, size=(20, len(SIZES))):
        law = fit(SIZES, errors[None])
        loss = ((errors - [law.error(size)[0] for size in SIZES]) ** 2).sum()
        best = min(nnls(np.stack([np.ones(len(SIZES)), SIZES**-c], axis=1), errors)[1] ** 2 for c in EXPONENTS)
        assert loss == pytest.approx(best, abs=1e-9)
        assert min(law.floor[0], law.scale[0]) >= 0


def test_intervals_hold_the_true_error_at_twice_as_many_rows():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(60):
        a, b, c = rng.uniform(0.05, 0.2), rng.uniform(0.5, 1.5), rng.uniform(0.3, 0.7)
        truth = a + b * SIZES**-c
        # Independent rows around errors that vary between seeds.
        errors = np.clip(truth[:, None] + rng.normal(scale=0.015, size=(len(SIZES), 5)), 0.01, 0.99)
        scores = (rng.random((len(SIZES), 5, 400)) > errors[:, :, None]).astype(float)
        forecast = learning_curve(SIZES, scores).error(800)
        held.append(forecast.low <= a + b * 800**-c <= forecast.high)
    assert np.mean(held) >= 0.9


def test_how_many_rows_a_gain_takes():
    rng = np.random.default_rng(2)
    truth = 0.1 + 2.0 * SIZES**-0.5
    scores = (rng.random((len(SIZES), 5, 4_000)) > truth[:, None, None]).astype(float)
    curve = learning_curve(SIZES, scores)
    found = curve.rows_for(0.02)
    expected = (2.0 / (truth[-1] - 0.02 - 0.1)) ** 2
    assert found.low <= expected <= found.high
    assert found.value == pytest.approx(curve.law.size(curve.law.error(400) - 0.02)[0])
    assert curve.gain(found.value).value == pytest.approx(0.02)
    assert curve.rows_for(0.5).value == np.inf


def test_one_seed_and_identical_scores():
    rng = np.random.default_rng(3)
    one = (rng.random((5, 1, 300)) > 0.3).astype(float)
    assert learning_curve(SIZES, one).error(800).low >= 0
    same = np.repeat(one[:1], 5, axis=0)
    curve = learning_curve(SIZES, same)
    assert curve.gain(800).value == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match=f"needs {FEWEST_SIZES} sizes"):
        learning_curve(SIZES[:3], same[:3])
