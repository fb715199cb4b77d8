"""Losses of fixed batches by the code that trains cells, for comparison with methods outside of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from bench.training.losses import Step, method_losses, row_losses
from bench.training.rows import TrainingRows
from methods import discover
from methods.base import DIVERSITY, QUALITY
from methods.context import Context
from methods.loop import not_expressible

ROWS, CLASSES, SIZE, UPDATES = 40, 3, 8, 5
RNG = np.random.default_rng(3)
LABELS = RNG.integers(CLASSES, size=ROWS)
READY = [name for name, cls in discover().items() if not not_expressible(cls, cls.Config())]
BEFORE = {"jtt"}  # reads a table when it starts
LOSSES = [name for name in READY if name not in BEFORE]  # methods that are a loss per batch


def scores() -> Tensor:
    """(ROWS, CLASSES) log-probabilities of a checker."""
    return torch.from_numpy(RNG.normal(size=(ROWS, CLASSES)).astype(np.float32)).log_softmax(dim=1)


TABLES: Mapping[str, Tensor] = {QUALITY: scores(), DIVERSITY: scores()}


def harness(name: str, batches: Sequence[np.ndarray], all_logits: Sequence[Tensor]) -> list[Tensor]:
    """The mean losses of the batches, by the code that trains cells."""
    cls = discover()[name]
    method = cls(cls.Config())
    shares = tuple(np.bincount(LABELS, minlength=CLASSES) / ROWS)
    before = {table: TABLES[table].numpy() for table in cls.requires_of(method.config)}
    method.start(Context(CLASSES, UPDATES, shares, None, labels=LABELS, tables=before, ids=np.arange(ROWS)))
    rows = TrainingRows(
        table=None,  # type: ignore[arg-type]  # of tokens, which no loss reads
        ids=np.arange(ROWS),
        labels=LABELS,
        real=np.zeros(ROWS, np.bool_),
        share=np.ones(ROWS, np.float32),
        tables={},
    )
    tables = {table: TABLES[table] for table in cls.requires_of(method.config)}
    rng, losses = np.random.default_rng(0), []
    for number, (batch, logits) in enumerate(zip(batches, all_logits, strict=True)):
        step = Step(rows, tables, batch, batch, number, 0, rng, torch.device("cpu"))
        log_probs = logits.log_softmax(dim=1)
        (own,) = method_losses(method, step, [SimpleNamespace(probe=None)], [log_probs])  # type: ignore[list-item]
        losses.append(row_losses(step, log_probs, own)[0].mean())
    return losses
