"""The store before a run: which results are computed again, and which are taken over from a job's other folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.engines.slurm_task import Bundle
from bench.execution.grid import Options
from bench.execution.prepare import make_queue, prepare_store
from bench.execution.worker import run_job
from bench.jobs import Job
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.folders import State, acquire, fail, finish, state


@pytest.fixture
def plan(tmp_path: Path, tiny_encoder: Path) -> Plan:
    """A plan whose `ce` cell has failed, and whose training has been done as a checker since."""
    request = make_request(methods="ce,dimp", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    plan = make_plan(request, tmp_path / "runs")
    job = checker(plan)
    assert job.other_folder is not None
    for folder in (job.folder, job.other_folder):
        folder.mkdir(parents=True)
    fail(job.folder, {"type": "OSError", "message": "no space left"})
    finish(job.other_folder, {"accuracy": 0.5})
    return plan


def checker(plan: Plan) -> Job:
    """The cell that is a checker too."""
    (job,) = (plan.jobs[identity] for identity, label in plan.cells.items() if label == "ce")
    return job


def test_a_failed_cell_that_was_trained_as_a_checker_since_is_taken_over(plan: Plan) -> None:
    """With --retry-failed it counted as done while its folder was gone, and the run ended where it was read."""
    job = checker(plan)
    prepare_store(plan, Options(retry_failed=True))
    assert state(job.folder) is State.DONE
    assert make_queue(plan).states[job.id] is State.DONE


def test_a_failure_stays_without_being_tried_again(plan: Plan) -> None:
    job = checker(plan)
    prepare_store(plan, Options())
    assert state(job.folder) is State.FAILED


def test_under_force_both_folders_are_computed_again(plan: Plan) -> None:
    job = checker(plan)
    prepare_store(plan, Options(force=True, retry_failed=True))
    assert make_queue(plan).states[job.id] is State.MISSING
    job = checker(plan)
    assert job.other_folder is not None
    assert [state(job.folder), state(job.other_folder)] == [State.DONE] * 2, "until a worker takes the job"
    assert acquire(job.root, job.folder, job.other_folder, job.replaces)
    assert [state(job.folder), state(job.other_folder)] == [State.RUNNING, State.MISSING]


def test_two_runs_that_force_a_cell_train_it_once(plan: Plan) -> None:
    """Each names the result that both have found, so the new one stays."""
    prepare_store(plan, Options(force=True, retry_failed=True))
    job, built = checker(plan), list[str]()

    def build(job: Job) -> dict[str, float]:
        built.append(job.id)
        finish(job.folder, {"accuracy": 0.6})
        return {"accuracy": 0.6}

    assert [run_job(job, {job.kind: build}).summary["accuracy"] for _ in "ab"] == [0.6, 0.6]
    assert len(built) == 1
    assert make_queue(plan).states[job.id] is State.DONE
    bundle = Bundle((job,), job.root / "0.jsonl", 1, 1, None, {})
    assert not bundle.queue().open, "nor does an array task that SLURM has requeued"


def test_a_cell_that_force_cannot_remove_is_said_before_anything_trains(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted as done, and the run ended with exit code 0."""
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != checker(plan).other_folder)
    with pytest.raises(UserError, match=r"--force cannot train the cell in .*checker.* again"):
        prepare_store(plan, Options(force=True))
