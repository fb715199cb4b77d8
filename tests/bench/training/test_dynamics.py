"""Snapshots of a cell that is done without them: its training, once more."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from bench.execution.worker import run_job
from bench.jobs import DynamicsJob
from bench.planning.plan import Plan
from bench.store.folders import forget


@pytest.mark.parametrize("settings", [{"train_layers": "all"}, {"train_layers": "all", "weight_decay": 0.01}, {}])
def test_snapshots_taken_later_are_those_of_the_cell(
    settings: dict[str, object], run_here: Callable[..., Plan]
) -> None:
    """To the bit. Without test rows, whose tokens are among the embeddings that train, the job crashed."""
    jobs = run_here(methods="ce,cartography", settings=settings).jobs.values()
    (job,) = (job for job in jobs if isinstance(job, DynamicsJob))
    of_cell = np.load(job.folder / "dynamics.npy")
    forget(job.folder)
    outcome = run_job(job)
    assert outcome.state == "done", outcome.cause
    assert np.array_equal(np.load(job.folder / "dynamics.npy"), of_cell)
    timing = json.loads((job.folder / "timing.json").read_text())
    assert timing["updates"] == job.cell.spec.settings["updates"]
    assert timing["passes"]["score_rows"] == 6 * len(job.cell.scored.ids) + len(job.cell.test.ids)
