"""Snapshots of a training: log-probabilities of all scored rows at evenly spaced updates."""

from __future__ import annotations

import time
from contextlib import suppress
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
from bench.store.layout import TIMING
from bench.store.leases import LeaseLostError, heartbeat
from bench.training.history import History
from bench.training.trainer import Trainer


@dataclass
class Snapshots:
    """Watches a training: computes log-probabilities of n rows after `count` evenly spaced updates."""

    trainer: Trainer
    table: TokenTable
    ids: IntArray  # (n,)
    count: int
    seconds: float = 0.0
    log_probs: list[Array] = field(default_factory=list)  # (n, C) each

    def __call__(self, step: int, last: bool) -> dict[str, float]:
        """Take a snapshot if one is due after update `step` (from 0)."""
        if step + 1 in self.marks:
            began = time.perf_counter()
            self.log_probs.append(torch.log_softmax(torch.from_numpy(self.trainer.logits(self.table)), dim=-1).numpy())
            self.trainer.classifier.train()
            self.seconds += time.perf_counter() - began
        return {}

    @cached_property
    def marks(self) -> set[int]:
        """The updates, from 1, after which a snapshot is due: evenly spaced, the last one among them."""
        updates = self.trainer.settings.updates
        assert updates is not None, "settings are resolved before a job is made"
        return {max(1, round(updates * (i + 1) / self.count)) for i in range(self.count)}

    def write(
        self, folder: Path, history: History, seconds: float, *, updates: int = 0, tested: int = 0
    ) -> dict[str, Any]:
        """Write `dynamics.npy` (n, snapshots, C), `ids.npy` (n,), and the cost of the training with its snapshots.

        A training for the snapshots only, not for a cell, has `updates`, and `tested` rows that it scored besides.
        """
        np.save(folder / "dynamics.npy", np.stack(self.log_probs, axis=1))
        np.save(folder / "ids.npy", self.ids)
        passes = {"train_rows": history.passes.rows, "score_rows": len(self.log_probs) * len(self.ids) + tested}
        write_json(folder / TIMING, {"seconds": seconds, "passes": passes, "updates": updates})
        counts = {"rows": len(self.ids), "looks": len(self.log_probs)}
        finish(folder, counts)
        return counts


def save_snapshots(snapshots: Snapshots, job: CellJob, history: History, seconds: float) -> None:
    """Save the snapshots that a cell took during its training, unless another run does."""
    assert job.snapshots is not None, "a cell with snapshots has a request for them"
    if acquire(job.root, job.snapshots.folder):
        with suppress(LeaseLostError), heartbeat(job.snapshots.folder):  # gives the lease back
            snapshots.write(job.snapshots.folder, history, seconds)
