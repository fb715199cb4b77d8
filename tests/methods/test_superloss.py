"""SuperLoss: limits, its inner minimum, the branch point, and the three ways to set tau."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

FLOATS = [torch.float32, torch.float64]


@pytest.fixture
def at_losses(sample):
    """Make a batch of four classes in which the given label's cross-entropy takes these values."""

    def make(losses, dtype=torch.float64):
        logp = -torch.as_tensor(losses, dtype=torch.float64)
        rest = torch.log(-torch.expm1(logp)).clamp(min=-800.0) - math.log(3)
        logits = torch.stack([logp, rest, rest, rest], dim=1)
        return sample(logits, torch.zeros(len(logp), dtype=torch.int64), n_classes=4, size=len(logp), dtype=dtype)

    return make


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_large_lam_is_shifted_cross_entropy(dtype, build, at_losses):
    """The difference is at most (l - tau)^2 / (4 lam), and rounding."""
    case = at_losses(np.linspace(0, 15, 61), dtype)
    loss, weight = build("superloss", 4, lam=1e6).losses(case.batch)
    assert (loss + case.batch.logp + math.log(4)).abs().max() < 1e-4
    assert (weight - 1).abs().max() < 1e-4


@pytest.mark.parametrize("lam", [0.1, 0.25, 1.0, 10.0])
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_finite_bounded_and_falling_with_the_loss(dtype, lam, build, at_losses, gradient, all_finite):
    """Weights lie in (0, e], and an example with a larger loss never gets a larger weight."""
    case = at_losses(np.linspace(0, 50, 801), dtype)
    loss, weight = build("superloss", 4, lam=lam).losses(case.batch)
    assert all_finite(loss, weight, gradient(case, build("superloss", 4, lam=lam)))
    assert weight.min() > 0
    assert weight.max() <= np.float32(math.e)
    assert bool((weight.diff() <= 1e-6).all())
    beyond = case.batch.logp.detach() < -math.log(4)
    assert bool((weight[beyond].diff() < 0).all())


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("lam", [0.1, 0.5, 1.0, 1.8])
def test_finite_at_the_branch_point(lam, dtype, build, at_losses, gradient, all_finite):
    """At l = tau - 2 lam / e Lambert's function is at -1/e; the weight is e, there and below."""
    edge = math.log(4) - 2 * lam / math.e
    near = [edge, np.nextafter(edge, 0), np.nextafter(edge, 9), edge - 1e-9, edge + 1e-9, 0.5 * edge, 0.0]
    case = at_losses(near, dtype)
    loss, weight = build("superloss", 4, lam=lam).losses(case.batch)
    assert all_finite(loss, weight, gradient(case, build("superloss", 4, lam=lam)))
    torch.testing.assert_close(weight, torch.full_like(weight, math.e), rtol=2e-3, atol=0)


def test_weight_is_one_at_tau(build, at_losses):
    """A uniform guess counts as in cross-entropy, and its loss is 0."""
    loss, weight = build("superloss", 4).losses(at_losses([math.log(4)]).batch)
    assert weight.item() == pytest.approx(1, abs=1e-12)
    assert loss.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("lam", [0.5, 1.0, 3.0])
def test_weight_minimises_the_objective(lam, build, at_losses):
    """The closed form against a numerical search over log s on (-30, 1], where the objective has one minimum."""
    tau = math.log(4)
    losses = np.linspace(max(0.0, tau - 2 * lam / math.e) + 0.02, 20, 25)
    loss, weight = build("superloss", 4, lam=lam).losses(at_losses(losses).batch)
    for entropy, value, confidence in zip(losses, loss.tolist(), weight.tolist(), strict=True):
        result = minimize_scalar(
            lambda log_s, gap=entropy - tau: gap * math.exp(log_s) + lam * log_s**2,
            bounds=(-30, 1),
            method="bounded",
            options={"xatol": 1e-10},
        )
        assert confidence == pytest.approx(math.exp(result.x), rel=1e-5)
        assert value == pytest.approx(result.fun, abs=1e-9)


def test_moving_average_starts_at_the_first_batch(build, at_losses):
    """tau = m1, then decay tau + (1 - decay) m: the current batch is part of it."""
    method = build("superloss", 4, tau="ema", decay=0.75)
    for losses, expected in [([1.0, 3.0], 2.0), ([6.0, 6.0], 3.0), ([3.0], 3.0), ([7.0], 4.0)]:
        method.losses(at_losses(losses).batch)
        assert method.tau == pytest.approx(expected)


def test_running_mean_counts_rows(build, at_losses):
    """tau is the mean of all losses seen, whatever the batch sizes."""
    method = build("superloss", 4, tau="mean")
    for losses, expected in [([1.0, 3.0], 2.0), ([5.0], 3.0), ([1.0, 2.0, 0.0], 2.0)]:
        method.losses(at_losses(losses).batch)
        assert method.tau == pytest.approx(expected)


def test_fixed_tau_ignores_what_was_seen(build, at_losses):
    """log C is the same before and after any batch."""
    method = build("superloss", 4)
    method.losses(at_losses([9.0, 8.0]).batch)
    assert method.tau == math.log(4)
