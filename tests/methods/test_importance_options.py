"""The options of IMP and DIMP: normalisation, calibration, out-of-fold and evaluation-mode denominators."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from methods.base import DIVERSITY, DIVERSITY_OOF, QUALITY, QUALITY_OOF
from methods.calibration import temperature

DOUBLE = torch.float64


@pytest.mark.parametrize("entry", ["imp", "dimp", "quality-only"])
def test_normalized_weights_are_the_clipped_ones_over_their_mean(entry, build, sample, close):
    batch = sample(dtype=DOUBLE).batch
    plain = build(entry, clip=0.5).losses(batch).weight
    assert plain.max() == 0.5
    close(build(entry, clip=0.5, normalize="batch").losses(batch).weight, plain / plain.mean())


def test_imp_out_of_fold_divides_by_the_other_checker(build, sample, close):
    batch = sample(dtype=DOUBLE).batch
    other = torch.randn(16, 3, dtype=DOUBLE).log_softmax(1)
    batch = replace(batch, tables={QUALITY: batch.tables[QUALITY], DIVERSITY_OOF: other})
    values = [table.gather(1, batch.labels[:, None]).squeeze(1) for table in (batch.tables[QUALITY], other)]
    close(build("imp", oof=True).losses(batch).weight, (values[0] - values[1]).exp().detach())


def test_dimp_with_the_model_as_its_own_checker_is_cross_entropy(build, sample, close):
    """Both in evaluation mode: the weight is 1 to the last bit, whatever dropout does to the loss's own pass."""
    batch = sample(dtype=DOUBLE).batch
    still = torch.randn(16, 3, dtype=DOUBLE).log_softmax(1)
    batch = replace(batch, tables={QUALITY: still}, evaluate=lambda: still)
    loss, weight = build("dimp", eval_denominator=True).losses(batch)
    assert weight.tolist() == [1.0] * 16
    close(loss, -batch.logp)
    assert (build("dimp").losses(batch).weight != 1).all()


def overconfident(true_temperature: float, seed: int = 0):
    """Labels drawn from a model, and its log-probabilities made `true_temperature` times surer."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(size=(20_000, 3))
    probs = np.exp(log_softmax(honest, axis=1))
    labels = np.array([rng.choice(3, p=row) for row in probs])
    return labels, log_softmax(honest * true_temperature, axis=1)


@pytest.mark.parametrize("true", [0.5, 1.0, 4.0])
def test_temperature_is_found(true):
    """A model that is T times too sure is scaled back by T."""
    assert temperature(*overconfident(true)) == pytest.approx(true, rel=0.05)


def test_temperature_is_the_smallest_loss():
    """On a grid around it every other temperature has a larger loss."""
    labels, log_probs = overconfident(2.0)

    def loss(t):
        return -log_softmax(log_probs / t, axis=1)[np.arange(len(labels)), labels].mean()

    best = temperature(labels, log_probs)
    assert all(loss(best) <= loss(best * factor) for factor in np.linspace(0.5, 2, 31))


def test_calibrated_weights_are_those_of_the_scaled_checker(build, sample, context, close):
    """P' ** (1 / T), normalised again; the given label's part of it is the weight."""
    batch = sample(dtype=DOUBLE).batch
    labels, log_probs = overconfident(2.0)
    cell_context = replace(context(), real_labels=labels, real_tables={QUALITY_OOF: log_probs})
    method = build("quality-only", calibrate=True)
    method.start(cell_context)
    flat = (batch.tables[QUALITY].detach().exp()) ** (1 / temperature(labels, log_probs))
    expected = (flat / flat.sum(1, keepdim=True)).gather(1, batch.labels[:, None]).squeeze(1)
    close(method.losses(batch).weight, expected)


@pytest.mark.parametrize(
    ("entry", "settings", "expected"),
    [
        ("imp", {}, (QUALITY, DIVERSITY)),
        ("imp", {"oof": True}, (QUALITY, DIVERSITY_OOF)),
        ("imp", {"calibrate": True}, (QUALITY, DIVERSITY, QUALITY_OOF)),
        ("dimp", {"calibrate": True}, (QUALITY, QUALITY_OOF)),
    ],
)
def test_options_require_what_they_read(entry, settings, expected, build):
    method = build(entry, **settings)
    assert method.requires_of(method.config) == expected
