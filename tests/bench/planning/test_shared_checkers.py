"""A checker of one grid may be a cell of another: the first grid trains it, the other takes the result over."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.execution.prepare import make_queue
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.folders import State, acquire, finish, state
from tests.helpers.background import start

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def one(plan: Plan, method: str) -> CellJob:
    """The job that trains a method."""
    (job,) = [job for job in plan.jobs.values() if isinstance(job, CellJob) and job.spec.method == method]
    return job


def test_a_checker_and_a_cell_with_the_same_id_share_their_result(tmp_path: Path, tiny_encoder: Path) -> None:
    options = {"encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1}
    cell = one(make_plan(make_request(methods="real-only", **options), tmp_path), "real-only")  # type: ignore[arg-type]
    plan = make_plan(make_request(methods="dimp", **options), tmp_path)  # type: ignore[arg-type]
    checker = one(plan, "real-only")
    assert cell.id == checker.id
    assert (cell.other_folder, checker.other_folder) == (checker.folder, cell.folder)

    from bench.execution.worker import run_job

    assert acquire(tmp_path, cell.folder, cell.other_folder)
    assert run_job(checker).state is State.RUNNING, "it is running in the other folder"
    assert not checker.folder.exists()
    queue = make_queue(plan)
    queue.runs_elsewhere(checker)
    assert list(queue.revisit()) == []
    assert checker.id in queue.elsewhere, "the queue still waits for it"
    finish(cell.folder, {"accuracy": 0.5})
    (cell.folder / "lease").unlink()
    assert run_job(checker).summary["accuracy"] == 0.5, "the result is taken over, not trained"
    assert state(checker.folder) is State.DONE
    assert not acquire(tmp_path, cell.folder, cell.other_folder)


@pytest.mark.slow
def test_two_grids_at_once_train_a_checker_once(tmp_path: Path, tiny_encoder: Path) -> None:
    seeds = ("--seeds", "3", "--workers", "1")
    pair = [
        start(tmp_path, tiny_encoder, "run", "--methods", methods, *seeds, "--reports", f"reports-{methods}")
        for methods in ("real-only", "dimp")
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in pair]
    assert [process.returncode for process in pair] == [0, 0], errors
    cells = sorted(tmp_path.glob("runs/twitter/real-only/*/predictions.parquet"))
    checkers = sorted(tmp_path.glob("runs/.artefacts/checker/*/predictions.parquet"))
    pairs = [(a, b) for a in cells for b in checkers if a.parent.name == b.parent.name]
    assert len(cells) == 3
    assert all(a.stat().st_ino == b.stat().st_ino for a, b in pairs), "the same file, not trained again"


def test_forced_cells_are_trained_again_and_not_taken_over(bench: Command, tmp_path: Path) -> None:
    assert bench("run", "--methods", "dimp,real-only", "--seeds", "1", tiny=True).returncode == 0
    (cell,) = tmp_path.glob("runs/twitter/real-only/*/metrics.json")
    before = cell.stat().st_mtime_ns
    forced = bench("run", "--methods", "real-only", "--seeds", "1", "--force", tiny=True)
    assert "1 cell: 0 done before, 1 to do" in forced.stdout
    assert cell.stat().st_mtime_ns > before
