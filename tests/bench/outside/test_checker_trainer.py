"""The trainer of a checker, and its loss where gradients are accumulated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from bench.outside.checker_trainer import CheckerTrainer
from tests.bench.outside.test_weighted_trainer import GENERATED, Table, arguments
from tests.helpers.losses import SIZE


class WithKeywords(Table):
    """A model that takes any keyword and reads none, as BERT, DistilBERT and Llama do."""

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, **others: Any) -> Any:
        return super().forward(input_ids, labels)


class WithNumber(Table):
    """A model that divides its loss by the number of rows of the update, where it gets one."""

    def forward(self, input_ids: Tensor, labels: Tensor | None = None, **others: Any) -> Any:
        logits = self.logits(input_ids[:, 0])
        number = others.get("num_items_in_batch", len(logits))
        loss = nn.functional.cross_entropy(logits, labels, reduction="sum") / number
        return SequenceClassifierOutput(loss=loss, logits=logits)


@pytest.mark.parametrize("model", [Table, WithKeywords, WithNumber])
def test_accumulated_batches_are_one_update(model: type[Table], tmp_path: Path) -> None:
    """With `k` parts, a model that takes keywords was trained on `k` times the loss."""
    moved = []
    for parts in (1, SIZE):
        changes = {"per_device_train_batch_size": SIZE // parts, "gradient_accumulation_steps": parts}
        args = arguments(tmp_path, optim="sgd", max_grad_norm=0, max_steps=2, **changes)
        trainer = CheckerTrainer(model(), args, train_dataset=GENERATED)
        trainer.train()
        moved.append(trainer.model.logits.weight.detach() - Table().logits.weight.detach())
    assert moved[0].abs().max() > 1e-4
    torch.testing.assert_close(moved[1], moved[0], atol=1e-6, rtol=0)
