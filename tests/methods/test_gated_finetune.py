"""The gate of `gated-finetune`: which generated sets it lets pass, and its numbers by an independent computation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from methods.base import DIVERSITY_REAL, RealUse
from methods.gated_finetune import FOLDS, PENALTY, information, is_above_zero

ROWS = 300
RNG = np.random.default_rng(3)
LABELS = RNG.choice(3, ROWS, p=[0.2, 0.5, 0.3])
SIGNAL = np.eye(3)[LABELS] * 1.5 + RNG.normal(size=(ROWS, 3))

# Log-probabilities of a classifier of generated rows on the real rows, and whether it tells something about them.
CLASSIFIERS = {
    "informs": (SIGNAL, True),
    "informs, other label shares": (SIGNAL + np.array([4.0, 0.0, -4.0]), True),
    "informs, far too sure": (40 * SIGNAL, True),
    "labels at random": (np.random.default_rng(4).permutation(SIGNAL), False),
    "labels the opposite": (-SIGNAL, False),
    "constant": (np.zeros((ROWS, 3)), False),
}


def started(build, context, logits, **settings):
    """The method with the gate set by these logits of the real rows."""
    method = build("gated-finetune", **settings)
    table = {DIVERSITY_REAL: log_softmax(logits, axis=1).astype(np.float32)}
    method.start(replace(context(), real_labels=LABELS, real_tables=table))
    return method


@pytest.mark.parametrize(("logits", "informs"), CLASSIFIERS.values(), ids=CLASSIFIERS)
def test_the_gate(logits, informs, build, context):
    """Wrong shares and certainty leave it open; labels that say nothing, or the opposite, close it."""
    phases = started(build, context, logits).phases(48)
    found = [(phase.updates, phase.rows, phase.anew) for phase in phases]
    assert found == ([(24, "generated", False), (24, "real", False)] if informs else [(48, "real", False)])


@pytest.mark.parametrize(("rows", "use"), [("generated", RealUse.NONE), ("real", RealUse.TRAIN)])
def test_one_set_alone_has_no_gate(rows, use, build, context):
    """Then it is `ce` or `real-only`, as `real-finetune`, and needs no scores of the real rows."""
    method = build("gated-finetune", train_on=rows)
    assert method.requires_of(method.config) == ()
    assert method.real_use_of(method.config) is use
    method.start(replace(context(requires=()), real_labels=None))
    assert [(phase.updates, phase.rows) for phase in method.phases(48)] == [(48, "all")]


def test_gains_by_another_optimiser():
    """The loss of the docstring, minimised by torch in float64 without knowing of `information`."""
    scores = torch.from_numpy(log_softmax(SIGNAL, axis=1).astype(np.float32)).double()
    labels = torch.from_numpy(LABELS)
    fold = torch.zeros(ROWS, dtype=torch.int64)
    for label in range(3):
        of_label = torch.nonzero(labels == label).flatten()
        fold[of_label] = torch.arange(len(of_label)) % FOLDS
    expected = torch.zeros(ROWS, dtype=torch.float64)
    for number in range(FOLDS):
        rest = fold != number
        shares = torch.bincount(labels[rest], minlength=3) + 1.0
        known = (shares / shares.sum()).double().log()
        parameters = torch.cat([torch.ones(1).double(), known]).requires_grad_()
        optimiser = torch.optim.LBFGS([parameters], max_iter=100, tolerance_grad=1e-8, line_search_fn="strong_wolfe")

        def loss(parameters=parameters, rest=rest, optimiser=optimiser):
            optimiser.zero_grad()
            logits = parameters[0] * scores[rest] + parameters[1:]
            value = torch.nn.functional.cross_entropy(logits, labels[rest]) + PENALTY * parameters[1:].square().sum()
            value.backward()
            return value

        optimiser.step(loss)
        with torch.no_grad():
            logits = (parameters[0] * scores[~rest] + parameters[1:]).log_softmax(1)
            own = labels[~rest]
            expected[~rest] = logits[torch.arange(len(own)), own] - known[own]
    found = information(LABELS, log_softmax(SIGNAL, axis=1).astype(np.float32))
    assert found == pytest.approx(expected.numpy(), abs=1e-3)
    assert found.mean() == pytest.approx(float(expected.mean()), abs=1e-5)


def test_one_row_informs_of_nothing():
    """No error, no gain: a spread needs two values."""
    assert not is_above_zero(information(np.array([1]), np.zeros((1, 2), np.float32)), 0.0)
    assert not is_above_zero(np.ones(1), 0.0)
    assert is_above_zero(np.array([1.0, 1.1]), 1.64)
