"""Training dynamics: log-probabilities of every generated row at evenly spaced updates of plain cross-entropy.

They are snapshots of the `ce` cell's training, which saves them if they are planned before it is trained.
A snapshot scores all rows with dropout off; the training itself visits a row once or twice, too rarely for dynamics.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.jobs import CellJob, DynamicsJob, subset

if TYPE_CHECKING:
    from bench.training.cell import Trained


def build(job: DynamicsJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Train a cell that is done without snapshots once more, to take them."""
    from bench.training import cell

    began = time.perf_counter()
    trained = (training or cell.train_within_memory)(without_test(job.cell))
    assert trained.snapshots is not None, "the cell has a snapshot request"
    return trained.snapshots.write(job.folder, trained.history, time.perf_counter() - began, alone=True)


def without_test(job: CellJob) -> CellJob:
    """A cell's job that tests nothing and is not shown at W&B."""
    return replace(job, test=subset(job.test, np.array([], np.int64)), live_curves=None)
