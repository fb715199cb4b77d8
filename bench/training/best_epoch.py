"""The choice of a checkpoint: the classifier after its best epoch, by the metrics of the protocol's rule."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from bench.arrays import IntArray
from bench.precomputed.tokens import TokenTable
from bench.stats.metrics import accuracy, log_loss
from bench.training.trainer import Trainer


@dataclass
class Selection:
    """Watches a training: evaluates after each epoch and at the end, and keeps the best weights.

    `rule` names metrics; the first one that differs decides, and the earlier epoch wins a tie.
    """

    trainer: Trainer
    table: TokenTable  # the n selection rows
    labels: IntArray  # (n,)
    rule: tuple[str, ...]
    every: int  # updates in an epoch
    evaluations: int = 0
    best: dict[str, float] = field(default_factory=dict)  # update and epoch of the best evaluation, from 1; metrics
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, step: int, last: bool) -> dict[str, float]:
        """The selection rows' metrics if update `step` (from 0) ends an epoch or is the last; otherwise nothing."""
        if (step + 1) % self.every and not last:
            return {}
        self.evaluations += 1
        logits = self.trainer.logits(self.table)
        self.trainer.classifier.train()
        metrics = {"accuracy": accuracy(self.labels, logits), "log_loss": log_loss(self.labels, logits)}
        if not self.best or self.merit(metrics) > self.merit(self.best):
            self.best = {"update": step + 1, "epoch": math.ceil((step + 1) / self.every), **metrics}
            weights = self.trainer.classifier.trained
            self.best_weights = {name: weight.detach().clone() for name, weight in weights.items()}
        return {f"select_{name}": value for name, value in metrics.items()}

    def merit(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """The rule's metrics as numbers of which larger is better."""
        return tuple(metrics[name] if name == "accuracy" else -metrics[name] for name in self.rule)

    def restore(self) -> None:
        """Put back the weights of the best evaluation."""
        with torch.no_grad():
            for name, weight in self.trainer.classifier.trained.items():
                weight.copy_(self.best_weights[name])
