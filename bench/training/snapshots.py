"""Snapshots of a training: log-probabilities of all rows at evenly spaced updates."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.arrays import Array, IntArray
from bench.jobs import CellJob
from bench.precomputed.tokens import TokenTable
from bench.store.files import write_json
from bench.store.folders import acquire, finish
from bench.training.history import History
from bench.training.trainer import Trainer


@dataclass
class Snapshots:
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

    def write(self, folder: Path, history: History, seconds: float, *, alone: bool) -> dict[str, Any]:
        """Write `dynamics.npy` (n, looks, C) and `ids.npy` (n,), and what a training with these looks costs.

        `alone`: it was made for the looks, and is no cell's.
        """
        np.save(folder / "dynamics.npy", np.stack(self.seen, axis=1))
        np.save(folder / "ids.npy", self.ids)
        passes = {"train_rows": history.passes.rows, "score_rows": (len(self.seen) + alone) * len(self.ids)}
        updates = history.passes.updates if alone else 0
        write_json(folder / "timing.json", {"seconds": seconds, "passes": passes, "updates": updates})
        counts = {"rows": len(self.ids), "looks": len(self.seen)}
        finish(folder, counts)
        return counts


def leave(looks: Snapshots, job: CellJob, history: History, seconds: float) -> None:
    """What a cell does with its looks, besides being a cell."""
    assert job.snapshots is not None, "a cell that looked was asked to"
    if acquire(job.root, job.snapshots.folder):
        looks.write(job.snapshots.folder, history, seconds, alone=False)
