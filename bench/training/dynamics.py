"""Training dynamics: log-probabilities of every generated row at evenly spaced updates of plain cross-entropy.

They are snapshots of the `ce` cell's training, which saves them if they are planned before it is trained.
A snapshot scores all rows with dropout off; the training itself visits a row once or twice, too rarely for dynamics.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.jobs import CellJob, DynamicsJob

if TYPE_CHECKING:
    from bench.training.cell import Trained


def build(job: DynamicsJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Train a cell that is done without snapshots once more, to take them."""
    from bench.training import cell

    began = time.perf_counter()
    trained = (training or cell.train_within_memory)(for_snapshots(job.cell))
    assert trained.snapshots is not None, "the cell has a snapshot request"
    updates, seconds = trained.history.passes.updates, time.perf_counter() - began
    return trained.snapshots.write(job.folder, trained.history, seconds, updates=updates, tested=len(trained.test))


def for_snapshots(job: CellJob) -> CellJob:
    """A cell's job without final scores, which the last snapshot has, and not shown at W&B.

    It keeps its test rows: where embeddings train, they are those of the tokens of all rows, and without some of them
    the norm of the gradient would be summed in another order.
    """
    return replace(job, score=False, live_curves=None)
