"""Robust losses: generalised and symmetric cross-entropy, bootstrapping, label smoothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

from methods import discover

DOUBLE = torch.float64


def given(case):
    """(B,) p of the given label, from a plain softmax."""
    return case.logits.detach().softmax(1).gather(1, case.batch.labels[:, None]).squeeze(1)


@pytest.mark.parametrize("q", [0.1, 0.3, 0.7, 1.0])
def test_gce_has_the_gradient_of_weighted_cross_entropy(q, build, sample, gradient, close):
    """The formula from probabilities, and the gradient with a detached weight p^q."""
    case = sample(dtype=DOUBLE)
    p = given(case)
    loss, weight = build("gce", q=q).losses(case.batch)
    close(loss, (1 - p**q) / q)
    close(weight, p**q)
    (expected,) = torch.autograd.grad((p**q * -case.batch.logp).mean(), case.logits, retain_graph=True)
    close(gradient(case, build("gce", q=q)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE], ids=str)
def test_gce_with_a_small_q_is_cross_entropy(dtype, build, sample, close):
    """The difference is q (log p)^2 / 2; p^q - 1 taken directly would leave no digits in float32."""
    batch = sample(dtype=dtype).batch
    close(build("gce", q=1e-8).losses(batch).loss, -batch.logp, 1e-6)


def test_gce_at_one_is_half_the_absolute_error(build, sample, close):
    """|onehot - p| summed over classes is 2 (1 - p)."""
    case = sample(dtype=DOUBLE)
    onehot = torch.nn.functional.one_hot(case.batch.labels, 3)
    absolute = (onehot - case.logits.detach().softmax(1)).abs().sum(1)
    close(2 * build("gce", q=1.0).losses(case.batch).loss, absolute)


@pytest.mark.parametrize("q", [0.2, 0.7, 1.0])
def test_gce_is_bounded(q, build, sample):
    """Between 0 and 1/q, and summed over all labels within the bounds that make it robust."""
    case = sample(dtype=DOUBLE, scale=3.0)
    total = torch.zeros(16, dtype=DOUBLE)
    for label in range(3):
        loss = build("gce", q=q).losses(sample(case.logits, torch.full((16,), label), dtype=DOUBLE).batch).loss.detach()
        assert loss.min() >= 0
        assert loss.max() <= 1 / q
        total += loss
    assert total.min() >= (3 - 3 ** (1 - q)) / q - 1e-12
    assert total.max() <= 2 / q + 1e-12


@pytest.mark.parametrize("q", [0.0, 0.7, 1.0])
def test_gce_truncated_ignores_badly_fitted_rows(q, build, sample, gradient, close):
    """Rows with p <= k have the loss of k and no gradient, all others are as without truncation."""
    case = sample(dtype=DOUBLE)
    beyond = given(case) <= 0.4
    assert 0 < beyond.sum() < 16
    plain = build("gce", q=q).losses(case.batch)
    truncated = build("gce", q=q, truncate=0.4, start=0.0)
    loss, weight = truncated.losses(case.batch)
    at_k = (1 - 0.4**q) / q if q > 0 else -math.log(0.4)
    close(loss, torch.where(beyond, torch.full_like(loss, at_k), plain.loss))
    close(weight, torch.where(beyond, 0.0, plain.weight))
    assert gradient(case, truncated)[beyond].abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float32, DOUBLE])
@pytest.mark.parametrize("q", [0.0, 0.7])
def test_gce_ignores_a_row_at_the_truncation_itself(q, dtype, build, sample, gradient):
    """Two equal logits give p = 1/2, which is not larger than truncate=0.5."""
    case = sample(torch.zeros(16, 2, dtype=dtype), torch.zeros(16, dtype=torch.int64), dtype=dtype)
    method = build("gce", 2, q=q, truncate=0.5, start=0.0)
    assert (method.losses(case.batch).weight == 0).all()
    assert gradient(case, method).abs().max() == 0


def test_gce_truncates_from_its_start_on(build, sample):
    """A third of ten updates is over after the fourth."""
    batch = sample().batch
    method = build("gce", truncate=0.5)
    pruned = [bool((method.losses(replace(batch, step=step)).weight == 0).any()) for step in range(10)]
    assert pruned == [False] * 4 + [True] * 6


def test_sce_reverse_term_is_the_sum_over_the_label(build, sample, close):
    """-sum_c p_c log(max(y_c, floor)) = -A (1 - p), in numpy, and its slope."""
    case = sample(dtype=DOUBLE)
    p = softmax(case.logits.detach().numpy(), axis=1)
    onehot = np.eye(3)[case.batch.labels.numpy()]
    reverse = -(p * np.log(np.clip(onehot, 1e-4, 1))).sum(1)
    loss, weight = build("sce", alpha=0.0, beta=1.0).losses(case.batch)
    close(loss, torch.from_numpy(reverse))
    close(loss, -math.log(1e-4) * (1 - given(case)))
    close(weight, -math.log(1e-4) * given(case))


def test_sce_adds_up(build, sample, gradient, close):
    """alpha times cross-entropy plus beta times the reverse term, values and gradients; linear in both."""
    case = sample(dtype=DOUBLE)
    parts = [build("sce", alpha=2.5, beta=0.0), build("sce", alpha=0.0, beta=0.3)]
    close(parts[0].losses(case.batch).loss, -2.5 * case.batch.logp)
    both = build("sce", alpha=2.5, beta=0.3)
    close(both.losses(case.batch).loss, sum(part.losses(case.batch).loss for part in parts))
    close(gradient(case, both), sum(gradient(case, part) for part in parts))


def test_sce_needs_one_of_its_terms():
    """A loss of 0 for every row is a mistake."""
    with pytest.raises(ValueError, match="alpha or beta"):
        discover()["sce"].Config(alpha=0.0, beta=0.0)


@pytest.mark.parametrize("beta", [0.3, 0.95])
def test_soft_bootstrap_is_its_formula(beta, build, sample, gradient, close):
    """Autograd of the sum over classes with p attached; stopping the gradient there would be another method."""
    case = sample(dtype=DOUBLE)
    p = case.logits.softmax(1)
    target = beta * torch.nn.functional.one_hot(case.batch.labels, 3).double() + (1 - beta) * p
    expected = -(target * p.log()).sum(1)
    (slope,) = torch.autograd.grad(expected.mean(), case.logits, retain_graph=True)
    (stopped,) = torch.autograd.grad(-(target.detach() * p.log()).sum(1).mean(), case.logits, retain_graph=True)
    method = build("bootstrap", beta=beta)
    close(method.losses(case.batch).loss, expected)
    close(gradient(case, method), slope)
    assert (slope - stopped).abs().max() > 1e-4
    assert method.losses(case.batch).weight is None


def test_hard_bootstrap_is_cross_entropy_with_a_mixed_target(build, sample, gradient, close):
    """torch's cross-entropy with a target that is part label, part predicted class."""
    case = sample(dtype=DOUBLE)
    guess = case.logits.detach().argmax(1)
    onehot = torch.eye(3, dtype=DOUBLE)
    target = 0.8 * onehot[case.batch.labels] + 0.2 * onehot[guess]
    expected = torch.nn.functional.cross_entropy(case.logits, target, reduction="none")
    (slope,) = torch.autograd.grad(expected.mean(), case.logits, retain_graph=True)
    method = build("bootstrap", kind="hard")
    close(method.losses(case.batch).loss, expected)
    close(gradient(case, method), slope)


def test_hard_bootstrap_of_right_predictions_is_cross_entropy(build, sample, gradient, close):
    """Where the model agrees with the label there is nothing to mix."""
    logits = sample(dtype=DOUBLE).logits
    case = sample(logits, logits.argmax(1), dtype=DOUBLE)
    for beta in (0.0, 0.5, 0.8):
        method = build("bootstrap", kind="hard", beta=beta)
        close(method.losses(case.batch).loss, -case.batch.logp)
        close(gradient(case, method), gradient(case, build("ce")))


@pytest.mark.parametrize(("kind", "beta"), [("soft", 0.95), ("hard", 0.8)])
def test_bootstrap_defaults_depend_on_the_kind(kind, beta, build, sample):
    """0.95 and 0.8 as in the source, unless another value is given."""
    batch = sample().batch
    default, named = build("bootstrap", kind=kind), build("bootstrap", kind=kind, beta=beta)
    assert torch.equal(default.losses(batch).loss, named.losses(batch).loss)


def test_bootstrap_listens_after_its_warmup(build, sample):
    """Half of ten updates are cross-entropy."""
    batch = sample().batch
    method = build("bootstrap", warmup=0.5)
    plain = [torch.equal(method.losses(replace(batch, step=step)).loss, -batch.logp) for step in range(10)]
    assert plain == [True] * 5 + [False] * 5


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.15, 0.9])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_label_smoothing_is_torchs(epsilon, n_classes, build, sample, gradient, close):
    """Values and gradients of `cross_entropy(label_smoothing=epsilon)`."""
    case = sample(dtype=DOUBLE, n_classes=n_classes)
    expected = torch.nn.functional.cross_entropy(
        case.logits, case.batch.labels, reduction="none", label_smoothing=epsilon
    )
    (slope,) = torch.autograd.grad(expected.mean(), case.logits, retain_graph=True)
    method = build("label-smoothing", n_classes, epsilon=epsilon)
    close(method.losses(case.batch).loss, expected)
    close(gradient(case, method), slope)
    assert method.losses(case.batch).weight is None
