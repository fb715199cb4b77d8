"""Choosing a checkpoint: the classifier as it was after its best epoch, by what a protocol says is best."""

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
    """Watches a training: looks after each epoch and at the end, and keeps the best weights; ties go to earlier.

    `every` is an epoch in updates, `rule` names merits, the first one that differs decides.
    """

    trainer: Trainer
    table: TokenTable  # the n selection rows
    labels: IntArray  # (n,)
    rule: tuple[str, ...]
    every: int
    evaluations: int = 0
    best: dict[str, float] = field(default_factory=dict)  # update and epoch of the best look, from 1, and metrics
    kept: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, step: int, last: bool) -> dict[str, float]:
        """The selection rows' metrics where an epoch ends at update `step` (from 0) or all ends, nothing elsewhere."""
        if (step + 1) % self.every and not last:
            return {}
        self.evaluations += 1
        logits = self.trainer.logits(self.table)
        self.trainer.classifier.train()
        found = {"accuracy": accuracy(self.labels, logits), "log_loss": log_loss(self.labels, logits)}
        if not self.best or self.merit(found) > self.merit(self.best):
            self.best = {"update": step + 1, "epoch": math.ceil((step + 1) / self.every), **found}
            self.kept = {name: weight.detach().clone() for name, weight in self.trainer.classifier.trained.items()}
        return {f"select_{name}": value for name, value in found.items()}

    def merit(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """What the rule compares, larger is better."""
        return tuple(metrics[name] if name == "accuracy" else -metrics[name] for name in self.rule)

    def restore(self) -> None:
        """Put the best look's weights back."""
        with torch.no_grad():
            for name, weight in self.trainer.classifier.trained.items():
                weight.copy_(self.kept[name])
