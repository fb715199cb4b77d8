"""Losses in a loop of one's own: those of the harness for the same batch, or a line on what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from methods import discover, get
from methods.base import DIVERSITY, QUALITY
from methods.loop import Missing
from tests.helpers.losses import CLASSES, LABELS, LOSSES, READY, ROWS, SIZE, TABLES, UPDATES, harness


@pytest.mark.parametrize("method", LOSSES)
def test_losses_and_gradients_are_those_of_the_harness(method: str) -> None:
    rng = np.random.default_rng(5)
    batches = [rng.choice(ROWS, SIZE, replace=False) for _ in range(UPDATES)]
    ours = [torch.tensor(rng.normal(size=(SIZE, CLASSES)), dtype=torch.float32, requires_grad=True) for _ in batches]
    theirs = [logits.detach().clone().requires_grad_() for logits in ours]
    loss_of = get(method, updates=UPDATES, labels=LABELS)
    for batch, logits, other, expected in zip(batches, ours, theirs, harness(method, batches, theirs), strict=True):
        ids = torch.from_numpy(batch)
        given = {"quality": TABLES[QUALITY][ids], "diversity": TABLES[DIVERSITY][ids]}
        loss = loss_of(logits, torch.from_numpy(LABELS[batch]), ids=ids, epoch=0, **given)
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
        loss.backward()
        expected.backward()
        torch.testing.assert_close(logits.grad, other.grad, atol=1e-6, rtol=0)


def test_many_methods_are_ready() -> None:
    assert {"ce", "dimp", "imp", "quality-only", "focal", "gce", "sce", "superloss", "label-smoothing"} <= set(READY)


@pytest.mark.parametrize("method", [name for name in discover() if name not in LOSSES])
def test_other_methods_say_why_they_need_the_harness(method: str) -> None:
    with pytest.raises(ValueError, match="use `bench run`"):
        get(method)


@pytest.mark.parametrize("average", ["ema", "tail"])
def test_averages_of_weights_are_refused(average: str) -> None:
    """A loss cannot average the weights of a model, and the last ones were what one got."""
    with pytest.raises(ValueError, match="dimp averages the weights of the model along the training; use `bench run`"):
        get("dimp", average=average)


@pytest.mark.parametrize("method", ["dimp", "imp", "quality-only"])
def test_probabilities_of_the_given_labels_are_enough(method: str) -> None:
    labels = torch.from_numpy(LABELS[:SIZE])
    logits = torch.randn(SIZE, CLASSES)
    whole = {"quality": TABLES[QUALITY][:SIZE], "diversity": TABLES[DIVERSITY][:SIZE]}
    given = {key: values.gather(1, labels[:, None]).squeeze(1) for key, values in whole.items()}
    assert float(get(method)(logits, labels, **given)) == pytest.approx(float(get(method)(logits, labels, **whole)))


def test_dimp_by_hand() -> None:
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    p = logits.softmax(dim=1)[:, 0]
    quality = torch.tensor([0.9, 0.2])
    losses, weights = get("dimp").rows(logits, labels, quality=quality.log())
    torch.testing.assert_close(weights, quality / p)
    torch.testing.assert_close(losses, -(quality / p) * p.log())
    assert float(get("dimp", clip=1.0).rows(logits, labels, quality=quality.log()).weight.max()) == 1.0


LOGITS, GIVEN = torch.zeros(4, CLASSES), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("method", "settings", "batch", "message"),
    [
        ("dimp", {}, {}, "dimp needs quality: give quality=LOG_PROBABILITIES"),
        ("self-paced", {}, {}, "give updates=NUMBER"),
        ("elr", {}, {}, "give labels=ALL_LABELS"),
        ("dimp", {"eval_denominator": True}, {"quality": LOGITS}, "give evaluate=FUNCTION"),
        ("dimp", {}, {"quality": torch.zeros(3)}, r"shape \(B, C\) or \(B,\), not \(3,\)"),
    ],
)
def test_what_is_missing_is_named(method: str, settings: dict[str, Any], batch: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get(method, **settings)(LOGITS, GIVEN, **batch)


def test_wrong_names_and_shapes() -> None:
    with pytest.raises(ValueError, match="no method 'dinp'"):
        get("dinp")
    with pytest.raises(ValueError, match=r"dimp has no setting 'klip'; settings: .*clip"):
        get("dimp", klip=1.0)
    loss_of = get("ce")
    loss_of(LOGITS, GIVEN)
    with pytest.raises(ValueError, match="the first batch had 3 classes"):
        loss_of(torch.zeros(4, 2), GIVEN)
    with pytest.raises(ValueError, match=r"logits \(B, C\)"):
        loss_of(LOGITS, GIVEN[:3])
    with pytest.raises(Missing):
        get("dimp")(LOGITS, GIVEN)


def test_the_method_is_told_the_rows() -> None:
    loss_of = get("ce", updates=7, labels=np.array([0, 2, 2, 0, 2]), seed=3)
    seen: list[Any] = []
    loss_of.method.start = seen.append  # type: ignore[method-assign]
    loss_of(torch.zeros(2, 4), torch.tensor([0, 2]))
    (context,) = seen
    assert (context.n_classes, context.updates, context.seed) == (4, 7, 3)
    assert context.generated_prior == pytest.approx((0.4, 0.0, 0.6, 0.0))
    assert context.real_prior is None
    np.testing.assert_array_equal(context.ids, np.arange(5))
