"""Counts of floating-point operations, against those that torch counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.encoders.checkpoints import find
from bench.encoders.classifier import Classifier
from tests.helpers.encoders import make_encoder
from tests.performance.flops import Shape, counted, executed

ROWS, LENGTH = 3, 11


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT wide enough for the head not to matter."""
    return make_encoder(tmp_path_factory.mktemp("flops"), "bert", layers=3, width=64)


@pytest.mark.parametrize(("plain", "count"), [(True, counted), (False, executed)])
@pytest.mark.parametrize("training", [False, True])
def test_operations_are_those_that_torch_counts(encoder: Path, plain: bool, count: object, training: bool) -> None:
    classifier = Classifier(find(str(encoder)), 2, "all", plain=plain)
    classifier.model.set_attn_implementation("eager")  # whose products are plain ones
    classifier.train()
    ids = torch.randint(5, 60, (ROWS, LENGTH))
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(training):
        logits = classifier.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        if training:
            logits.sum().backward()
    expected = count(Shape.of(encoder), np.full(ROWS, LENGTH)) * (3 if training else 1)  # type: ignore[operator]
    # The head (4 x width per row) is left out, and the way back needs no gradient of the embeddings' input.
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.03)


def test_frozen_blocks_and_longer_texts_count() -> None:
    shape = Shape(layers=6, width=384, inner=1536, heads=12)
    lengths = np.array([10, 20])
    assert counted(shape, lengths, 2) < counted(shape, lengths) < counted(shape, lengths * 2) / 2
    whole = [2 * (4 * 384**2 + 2 * 384 * 1536) * n + 4 * 384 * n**2 for n in lengths]
    assert counted(shape, lengths, 1) == pytest.approx(sum(whole) + 2 * 2 * 384**2)
    assert executed(shape, lengths, 2) / counted(shape, lengths, 2) == pytest.approx(0.5, abs=0.1)
