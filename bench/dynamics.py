"""Training dynamics: what plain cross-entropy makes of every generated row at evenly spaced updates of its training.

The training is the `ce` cell's: it leaves them on its way, where they are planned before it is trained. A look is with
dropout off; one or two passes over the rows visit each of them too rarely to tell anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench.artefacts import part
from bench.jobs import CellJob, DynamicsJob, IntArray
from bench.record import Record
from bench.store import acquire, finish, write_json
from bench.tokens import Array, TokenTable
from bench.trainer import Trainer

if TYPE_CHECKING:
    from bench.cell import Trained


@dataclass
class Looks:
    """Watches a training and keeps the log-probabilities of n rows after `count` evenly spaced updates of it."""

    trainer: Trainer
    table: TokenTable
    ids: IntArray  # (n,)
    count: int
    seconds: float = 0.0
    seen: list[Array] = field(default_factory=list)  # (n, C) each

    def __call__(self, step: int, last: bool) -> dict[str, float]:
        """Look if update `step` (from 0) is one to look after."""
        if step + 1 in self.marks:
            began = time.perf_counter()
            self.seen.append(torch.log_softmax(torch.from_numpy(self.trainer.logits(self.table)), dim=-1).numpy())
            self.trainer.classifier.train()
            self.seconds += time.perf_counter() - began
        return {}

    @cached_property
    def marks(self) -> set[int]:
        """The updates after which to look, from 1: evenly spaced, the last one among them."""
        updates = self.trainer.settings.updates
        assert updates is not None, "settings are resolved before a job is made"
        return {max(1, round(updates * (i + 1) / self.count)) for i in range(self.count)}

    def write(self, folder: Path, record: Record, seconds: float, *, alone: bool) -> dict[str, Any]:
        """Write `dynamics.npy` (n, looks, C) and `ids.npy` (n,), and what a training with these looks costs.

        `alone`: it was made for the looks, and is no cell's.
        """
        np.save(folder / "dynamics.npy", np.stack(self.seen, axis=1))
        np.save(folder / "ids.npy", self.ids)
        passes = {"train_rows": record.passes.rows, "score_rows": (len(self.seen) + alone) * len(self.ids)}
        updates = record.passes.updates if alone else 0
        write_json(folder / "timing.json", {"seconds": seconds, "passes": passes, "updates": updates})
        counts = {"rows": len(self.ids), "looks": len(self.seen)}
        finish(folder, counts)
        return counts


def leave(looks: Looks, job: CellJob, record: Record, seconds: float) -> None:
    """What a cell does with its looks, besides being a cell."""
    assert job.looks is not None, "a cell that looked was asked to"
    if acquire(job.root, job.looks.folder):
        looks.write(job.looks.folder, record, seconds, alone=False)


def build(job: DynamicsJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Train a cell that was done without looks once more, for them alone."""
    from bench import cell

    began = time.perf_counter()
    trained = (training or cell.train)(replace(job.cell, test=part(job.cell.test, np.array([], np.int64))))
    assert trained.looks is not None, "the cell is asked to look"
    return trained.looks.write(job.folder, trained.record, time.perf_counter() - began, alone=True)
