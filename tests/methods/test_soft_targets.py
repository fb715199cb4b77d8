"""ELR, distillation and KL-DRO: losses that read the whole distribution, and weights that grow with the loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from methods.kl_dro import lin_upper

DOUBLE = torch.float64


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_distill_is_cross_entropy_with_mixed_targets(alpha, temperature, build, sample, gradient, close):
    """In numpy; its gradient is (p - target) / B."""
    case = sample(dtype=DOUBLE)
    teacher = softmax(case.quality.detach().numpy() / temperature, axis=1)
    target = alpha * np.eye(3)[case.batch.labels] + (1 - alpha) * teacher
    logits = case.logits.detach().numpy()
    method = build("distill", alpha=alpha, temperature=temperature)
    close(method.losses(case.batch).loss, torch.from_numpy(-(target * log_softmax(logits, axis=1)).sum(1)))
    close(gradient(case, method), torch.from_numpy((softmax(logits, axis=1) - target) / 16))


def test_distill_stands_still_where_the_model_is_the_checker(build, sample, gradient, close):
    """Without the given labels nothing is left to learn."""
    model = sample(dtype=DOUBLE).batch.log_probs
    case = sample(quality=model, dtype=DOUBLE)
    close(gradient(case, build("distill", alpha=0.0)), torch.zeros(16, 3, dtype=DOUBLE))


def test_elr_follows_its_moving_average(build, sample, close):
    """Three visits of the same rows with other predictions, recomputed in numpy."""
    method, momentum, strength = build("elr", momentum=0.6, strength=2.0), 0.6, 2.0
    target = np.zeros((16, 3))
    for seed in range(3):
        case = sample(labels=sample().batch.labels, seed=seed, dtype=DOUBLE)
        p = np.clip(softmax(case.logits.detach().numpy(), axis=1), 1e-4, 1 - 1e-4)
        target = momentum * target + (1 - momentum) * p / p.sum(1, keepdims=True)
        expected = -case.batch.logp.detach().numpy() + strength * np.log(1 - (target * p).sum(1))
        close(method.losses(case.batch).loss, torch.from_numpy(expected), 1e-6)  # targets are kept in float32


def test_elr_rewards_agreement_with_earlier_predictions(build, sample, gradient):
    """A row that the model used to classify otherwise is pulled less towards its label than by cross-entropy."""
    labels = torch.zeros(4, dtype=torch.int64)
    early = sample(torch.tensor([[-2.0, 2.0]] * 4), labels, n_classes=2, size=4)
    method = build("elr", 2)
    for _ in range(5):
        method.losses(early.batch)
    now = sample(torch.tensor([[0.0, 0.0]] * 4), labels, n_classes=2, size=4)
    assert (gradient(now, method)[:, 0] > gradient(now, build("ce", 2))[:, 0]).all()


def test_elr_of_other_rows_changes_nothing(build, sample):
    """The target belongs to the row's id."""
    method, batch = build("elr"), sample().batch
    alone = build("elr").losses(batch).loss
    method.losses(replace(sample(seed=4).batch, ids=torch.arange(16, 32)))
    assert torch.equal(method.losses(batch).loss, alone)


@pytest.mark.parametrize("r", [0.3, 1.0, 4.0])
def test_kl_dro_weights_solve_the_inner_problem(r, build, sample, close):
    """max_w mean w_i l_i - r KL over the simplex, by a general optimiser."""
    case = sample(size=6, dtype=DOUBLE)
    loss = -case.batch.logp.detach().numpy()

    def negative(theta):
        w = softmax(theta)
        return -(w @ loss - r * (w * np.log(6 * w + 1e-300)).sum())

    best = minimize(negative, np.zeros(6), method="BFGS", options={"gtol": 1e-9}).x
    close(build("kl-dro", r=r).losses(case.batch).weight, torch.from_numpy(6 * softmax(best)), 1e-4)


def test_lin_upper_by_hand():
    """Scaled to [-1, 1], plus 1, at most 1: the upper half counts alike."""
    assert lin_upper(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])).tolist() == [0.0, 0.5, 1.0, 1.0, 1.0]
    assert len(set(lin_upper(torch.tensor([2.0, 2.0])).tolist())) == 1


@pytest.mark.parametrize("shape", ["loss", "lin-upper"])
def test_kl_dro_weights_average_one_and_grow_with_the_loss(shape, build, sample, close):
    """Also where losses reach hundreds; lin-upper is bounded."""
    for scale in (1.0, 1e3):
        batch = sample(scale=scale, dtype=DOUBLE).batch
        weight = build("kl-dro", shape=shape).losses(batch).weight
        close(weight.mean(), torch.tensor(1.0, dtype=DOUBLE))
        order = (-batch.logp).argsort()
        assert (weight[order].diff() >= -1e-12).all()
        if shape == "lin-upper":
            assert weight.max() <= np.e * weight.min() * (1 + 1e-9)


def test_kl_dro_warms_up(build, sample):
    """Equal weights in the first part of the updates; ten in these cells."""
    method = build("kl-dro", warmup=0.3)
    for step, equal in ((0, True), (2, True), (3, False)):
        weight = method.losses(replace(sample().batch, step=step)).weight
        assert (weight == 1).all().item() is equal
