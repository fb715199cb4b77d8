"""Jobs whose folder another run holds, takes over, or leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from bench.execution.queue import Queue
from bench.execution.worker import run_job
from bench.jobs import CellJob, Job
from bench.planning.plan import Plan
from bench.store.folders import State, finish, forget, state
from bench.store.layout import DONE, ERROR, LEASE
from bench.store.leases import read_lease
from bench.training import cell
from tests.bench.store.test_leases import Clock, other_machines


class AnyJob(Job):
    """A job that a test builds."""

    kind = "any"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    folder = tmp_path / "runs" / "task" / "method" / "cell"
    return AnyJob("cell", folder, tmp_path / "runs", ())


@pytest.mark.parametrize("ending", ["finishes", "fails"])
def test_a_worker_whose_folder_was_taken_leaves_it_alone(job: Job, ending: str) -> None:
    def build(job: Job) -> dict[str, object]:
        other_machines(job.folder, 0)
        if ending == "fails":
            raise FileNotFoundError("the other process removed the files of this one")
        finish(job.folder, {})
        return {}

    assert run_job(job, {job.kind: build}).state is State.RUNNING, "the run waits for the other process's result"
    assert not (job.folder / DONE).exists()
    assert not (job.folder / ERROR).exists()
    assert read_lease(job.folder / LEASE)["host"] == "elsewhere"


def test_a_training_that_ends_after_its_folder_was_taken_writes_no_result(run_here: Callable[..., Plan]) -> None:
    """The other process may have finished the folder: a result of this one would damage it."""
    plan = run_here(methods="ce", seeds=1)
    (job,) = (plan.jobs[identity] for identity in plan.cells)
    forget(job.folder)

    def slow(job: CellJob) -> cell.Trained:
        trained = cell.train(job)
        other_machines(job.folder, 0)
        return trained

    assert run_job(job, {"cell": partial(cell.build, training=slow)}).state is State.RUNNING
    assert list(job.folder.glob("*.parquet")) == []


def test_what_ends_in_another_run_is_told(job: Job) -> None:
    """Also a failure, so that it is printed, and --fail-fast stops."""
    other_machines(job.folder, 0)
    queue = Queue({job.id: job}, {job.id: State.MISSING}, {})
    assert queue.take() is job
    queue.runs_elsewhere(job)
    assert queue.revisit() == []
    (job.folder / "lease").unlink()
    (job.folder / ERROR).write_text('{"type": "ValueError", "message": "of another run"}')
    assert queue.revisit() == [(job, State.FAILED)]
    assert queue.causes[job.id] == "ValueError: of another run"


def test_a_worker_takes_what_its_parent_saw_abandoned(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers have not watched the lease of the other machine; they take the folder because the parent released it."""
    clock = Clock()
    monkeypatch.setattr("bench.store.leases.time.monotonic", lambda: clock.now)
    other_machines(job.folder, 0)
    queue = Queue({job.id: job}, {job.id: State.STALE}, {})
    assert queue.take() is job
    queue.runs_elsewhere(job)
    list(queue.revisit())
    assert queue.take() is None
    clock.now += 61
    list(queue.revisit())
    assert queue.take() is job
    monkeypatch.setattr("bench.store.leases._watched", {})
    assert state(job.folder) is State.MISSING
    assert run_job(job, {job.kind: lambda job: finish(job.folder, {})}).state is State.DONE
