"""Training dynamics: what plain cross-entropy makes of every generated row at evenly spaced updates of its training.

The training is the `ce` cell's: it leaves them on its way, where they are planned before it is trained. A look is with
dropout off; one or two passes over the rows visit each of them too rarely to tell anything.
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
    """Train a cell that was done without looks once more, for them alone."""
    from bench.training import cell

    began = time.perf_counter()
    trained = (training or cell.train)(replace(job.cell, test=subset(job.cell.test, np.array([], np.int64))))
    assert trained.snapshots is not None, "the cell is asked to look"
    return trained.snapshots.write(job.folder, trained.history, time.perf_counter() - began, alone=True)
