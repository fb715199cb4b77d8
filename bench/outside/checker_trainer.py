"""The trainer of a checker for `WeightedTrainer`: cross-entropy, as many updates, and scores of all rows in order."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments


class CheckerTrainer(Trainer):
    """A `transformers.Trainer` of a checker. It scores all rows in their order, whatever the arguments say."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        # Otherwise the base class takes the loss of most classifiers, a mean over a batch, for one that is divided by
        # all rows of an update already, and does not divide it where gradients are accumulated.
        self.model_accepts_loss_kwargs = False

    def _get_eval_sampler(self, eval_dataset: Any) -> SequentialSampler:
        """The order of the rows; that of the base class goes by length where the training does."""
        return SequentialSampler(eval_dataset)

    def scores(self, rows: Any) -> Tensor:
        """(n, C) log-probabilities of rows."""
        self.args.dataloader_drop_last = False
        return as_scores(self.predict(rows).predictions).log_softmax(dim=1)


def checker_arguments(given: TrainingArguments, updates: int, rows: Any) -> TrainingArguments:
    """The arguments of a checker that is trained on `rows`: nothing is saved, evaluated, reported or rounded.

    Fewer rows than a batch are one batch, also where the last batch is dropped.
    """
    args: Any = copy.copy(given)
    args.max_steps = updates
    args.save_strategy = args.eval_strategy = args.logging_strategy = "no"
    args.report_to, args.load_best_model_at_end, args.push_to_hub = [], False, False
    args.prediction_loss_only = args.eval_on_start = args.fp16_full_eval = args.bf16_full_eval = False
    args.eval_do_concat_batches = True
    if hasattr(rows, "__len__") and len(rows) < args.train_batch_size:
        args.dataloader_drop_last = False
    result: TrainingArguments = args
    return result


def first_output(outputs: Any, labels: Any) -> Tensor:
    """(B, C) the logits, which come first where a model has further outputs, as BART and T5 have."""
    logits: Tensor = outputs[0] if isinstance(outputs, tuple | list) else outputs
    return logits


def as_scores(values: Any) -> Tensor:
    """Float32 values of a checker."""
    return torch.as_tensor(values, dtype=torch.float32)
