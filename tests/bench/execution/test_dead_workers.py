"""Workers that die or hang: they are replaced, and their jobs are run again before they count as failed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench.config.run_arguments import ExecutionArguments
from bench.execution import causes, limits
from bench.execution.engines import engine, local
from bench.execution.queue import Queue
from bench.execution.worker import run_job
from bench.jobs import CellJob, ColumnJob, DynamicsJob, Job
from bench.store import leases
from bench.store.folders import State, acquire
from bench.store.layout import LEASE
from tests.helpers import warm
from tests.helpers.engine_runs import Recorder

# Its worker gets a signal in the first update; with `once`, not in the second attempt.
FRAGILE = '''
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from bench.execution import limits
from methods.base import WeightMethod
from methods.registry import register

if "QUIET" in os.environ:
    limits.QUIET, limits.SLOW = float(os.environ["QUIET"]), 0.0


@register("fragile")
class Fragile(WeightMethod):
    """Ends its worker."""

    @dataclass(frozen=True)
    class Config(WeightMethod.Config):
        signal: int = 9
        once: bool = True

    def weights(self, batch):
        flag = Path(f"signal-{self.config.signal}")
        if not (self.config.once and flag.exists()):
            flag.touch()
            os.kill(os.getpid(), self.config.signal)
        return batch.logp.detach() * 0 + 1
'''


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, tiny_encoder: Path) -> Run:
    """`run("fragile", "--retries", "0", QUIET="5")` runs one seed of these methods on one worker."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures", "--seeds", "1")

    def command(methods: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return warm.run(["run", "--plugin", "fragile.py", "--methods", methods, *tiny, *more], tmp_path, environment)

    return command


def test_a_job_is_run_again_when_its_worker_died(run: Run, tmp_path: Path) -> None:
    done = run("ce,fragile,fragile(once=False)")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    retries = [line for line in lines if "] retry " in line]
    assert len(retries) == 2
    assert all("its worker died (SIGKILL" in line for line in retries)
    (failure,) = (line for line in lines if "] FAILED" in line)
    assert "fragile(once=False)" in failure
    assert "(2 times); the worker had up to " in failure
    assert "GiB are free; the same command runs it again" in failure
    assert "2/3 cells done" in done.stdout
    assert not list(tmp_path.glob("runs/**/lease"))


def test_without_retries_the_first_death_is_a_failure(run: Run) -> None:
    done = run("fragile,ce", "--retries", "0")
    assert done.returncode == 1
    assert "] retry " not in done.stdout
    assert "FAILED twitter fragile seed 0: its worker died (SIGKILL" in done.stdout


def test_the_lease_of_a_killed_process_goes_when_the_process_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stayed where that was said too early: the fork server had ended, or Ray had lost the process."""
    job: Any = SimpleNamespace(root=tmp_path, folder=tmp_path / "task" / "method" / "x")
    assert acquire(tmp_path, job.folder)
    owner = leases._held.pop(job.folder / LEASE)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "ENDS", 0.1)
        engine.give_back(job)
    assert (job.folder / LEASE).exists(), "its owner lives"
    end = threading.Timer(0.3, os.close, [owner.descriptor])
    end.start()
    engine.give_back(job)
    end.join()
    assert not (job.folder / LEASE).exists()


@pytest.mark.slow
def test_a_stopped_worker_is_replaced(run: Run) -> None:
    done = run(f"fragile(signal={int(signal.SIGSTOP)})", "--retries", "3", QUIET="10")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "its worker made no progress for " in done.stdout
    assert " s, stopped by a signal; " in done.stdout
    assert "1/1 cell done" in done.stdout


def worker(job: object, **times: float) -> local.Worker:
    """A worker that is no process, with a job."""
    return local.Worker(SimpleNamespace(pid=None, exitcode=None), None, None, job=job, **times)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [CellJob, DynamicsJob])
def test_a_training_may_take_as_long_as_cell_timeout(kind: type) -> None:
    job = object.__new__(kind)
    allowed = limits.Limits(cell_timeout=5)
    assert not worker(job, busy=4.9).overdue(allowed)
    assert worker(job, busy=5.1).overdue(allowed) == "took longer than --cell-timeout 5 s"
    assert not worker(job, busy=1e9).overdue(limits.Limits()), "with heartbeats it may take any time"
    assert worker(job, silent=limits.SILENCE + 1).overdue(limits.Limits())


def test_other_jobs_are_limited_by_heartbeats_alone() -> None:
    tokens = object.__new__(Job)
    assert not worker(tokens, busy=100.0).overdue(limits.Limits(cell_timeout=5))
    assert not worker(None, silent=1e9, busy=1e9).overdue(limits.Limits(cell_timeout=5)), "an idle worker"


def test_time_in_which_the_run_was_stopped_does_not_count() -> None:
    own = worker(object.__new__(CellJob))
    own.checked -= 3600
    own.check()
    assert own.busy == own.silent == local.STEP


def test_the_default_limit_follows_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [SimpleNamespace(id="long"), SimpleNamespace(id="unknown")]
    monkeypatch.setattr(limits.estimate, "each", lambda *_: {"long": 100.0, "unknown": 0.0})
    own = limits.limits(jobs, jobs, ExecutionArguments(retries=3))  # type: ignore[arg-type]
    assert own.retries == 3
    assert own.silence(jobs[0]) == 600 + 20 * 100  # type: ignore[arg-type]
    assert own.silence(jobs[1]) == limits.SILENCE  # type: ignore[arg-type]


def test_a_death_in_words() -> None:
    assert causes.death(-9) == "died (SIGKILL, as the system sends when memory runs out)"
    assert causes.death(-11) == "died (SIGSEGV)"
    assert causes.death(3) == "died (exit code 3)"
    line = causes.in_turn(["died (SIGKILL)", "died (SIGSEGV)", "died (SIGKILL)"])
    assert line == "died (SIGKILL) (2 times), then died (SIGSEGV)"
    assert causes.figures(3 * 2**29).startswith("the worker had up to 1.5 GiB, and ")


def test_a_worker_without_its_gpu_is_replaced_and_the_failure_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed assertion on the device each later job of its process failed too."""
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", raises)
    none = np.zeros(0)
    job = ColumnJob("column/a", tmp_path / "a", tmp_path, (), "a", none.astype(np.int64), none, ())
    outcome = run_job(job, {"column": raises})
    assert (outcome.state, outcome.gpu_lost) == (State.FAILED, True)
    queue, watcher = Queue({job.id: job}, {job.id: State.MISSING}, {}), Recorder()
    pool = local.Pool(queue, watcher, limits.Limits())
    process = SimpleNamespace(pid=None, exitcode=0, kill=lambda: None, join=lambda: None)
    line = SimpleNamespace(poll=lambda: True, recv=lambda: outcome)
    pool.workers = [local.Worker(process, line, "1", job=queue.take())]  # type: ignore[arg-type]
    monkeypatch.setattr(local, "start", lambda device: f"a new worker on {device}")
    pool.answer(pool.workers[0])
    assert pool.workers == ["a new worker on 1"]
    assert watcher.ended == [("column/a", "failed")]
    assert not watcher.retries


def raises(*_: object) -> None:
    """What torch raises after a failed assertion on the device."""
    raise RuntimeError("CUDA error: device-side assert triggered")


def test_a_job_that_fails_beside_a_sound_gpu_keeps_its_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    none = np.zeros(0)
    job = ColumnJob("column/a", tmp_path / "a", tmp_path, (), "a", none.astype(np.int64), none, ())
    outcome = run_job(job, {"column": raises})
    assert (outcome.state, outcome.gpu_lost) == (State.FAILED, False)
