"""Cells whose batches do not fit into memory: smaller parts, the same batches, dropout, losses and weights."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor

from bench.encoders.classifier import Classifier
from bench.execution.engines.engine import settle
from bench.execution.prepare import make_queue
from bench.execution.progress import Progress
from bench.execution.worker import run_job
from bench.jobs import DynamicsJob
from bench.planning.plan import Plan
from bench.processes import out_of_memory
from bench.store.folders import forget
from bench.training.batches import within_memory
from bench.training.cell import train
from bench.training.network import Network
from bench.training.probe import LookAhead
from methods.hooks import Direction
from tests.bench.training.test_trainer import cells, losses, weights

Run = Callable[..., Plan]


class Memory:
    """A device that takes at most so many rows; counts the passes that fit."""

    def __init__(self, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes: list[int] = []
        logits = Network.logits

        def limited(network: Network, inputs: dict[str, Tensor]) -> Tensor:
            size = len(next(iter(inputs.values())))
            if size > rows:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate for {size} rows")
            self.passes.append(size)
            return logits(network, inputs)

        monkeypatch.setattr(Network, "logits", limited)
        log_probs = LookAhead._log_probs

        def probed(probe: LookAhead, weights: Direction, inputs: dict[str, Tensor]) -> Tensor:
            size = len(next(iter(inputs.values())))
            if size > rows:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate for {size} rows")
            return log_probs(probe, weights, inputs)

        monkeypatch.setattr(LookAhead, "_log_probs", probed)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("ce", {}),
        ("dimp", {}),
        ("l2rw", {}),
        ("co-teaching", {}),
        ("self-paced", {}),
        ("ce", {"settings": {"auxiliary": "simcse(weight=0.1)"}}),
    ],
)
def test_parts_change_nothing_but_memory(
    method: str, options: dict[str, object], run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encoders of the tests have dropout, so the masks of a part must be those of its rows in the whole batch."""
    job = cells(run_here(methods=method, **options))[method]
    whole, visits = losses(job), weights(job)
    size = job.spec.settings["batch_size"]
    memory = Memory(size // 2 - 1, monkeypatch)
    forget(job.folder)
    outcome = run_job(job)
    assert outcome.state == "done", outcome.cause
    part = size // 4
    assert max(memory.passes) == part
    assert json.loads((job.folder / "timing.json").read_text())["part"] == part
    assert outcome.summary["notes"] == [
        f"memory ran out, so some cells pass {part} rows of a batch at a time; the effective batch is the same"
    ]
    log = (job.folder / "log.txt").read_text()
    assert f"out of memory with {size} rows at a time: CUDA out of memory" in log
    assert f"out of memory with {size // 2} rows at a time" in log
    np.testing.assert_allclose(losses(job), whole, rtol=2e-5)
    np.testing.assert_allclose(weights(job)["weight"], visits["weight"], rtol=2e-4)
    assert (weights(job)["id"] == visits["id"]).all()


def test_snapshots_are_taken_in_parts_too(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cell was done without them, so it is trained once more."""
    jobs = run_here(methods="cartography", settings={"updates": 6}).jobs.values()
    (job,) = (job for job in jobs if isinstance(job, DynamicsJob))
    expected = np.load(job.folder / "dynamics.npy")
    forget(job.folder)
    Memory(2, monkeypatch)
    outcome = run_job(job)
    assert outcome.state == "done", outcome.cause
    np.testing.assert_allclose(np.load(job.folder / "dynamics.npy"), expected, atol=1e-4)


def test_memory_that_runs_out_before_the_training_leaves_no_precision(
    run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = cells(run_here(methods="co-teaching", settings={"precision": "bf16"}))["co-teaching"]

    def full(classifier: Classifier) -> Classifier:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Classifier, "peer", full)
    with pytest.raises(torch.OutOfMemoryError):
        train(job)
    assert not AcceleratorState._shared_state


def test_the_run_says_it_once(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = run_here(methods="ce,focal")
    jobs = cells(plan)
    Memory(2, monkeypatch)
    for job in jobs.values():
        forget(job.folder)
    lines: list[str] = []
    queue = make_queue(plan)
    progress = Progress(plan, queue, 1, lines.append, fail_fast=False, command="")
    while (taken := queue.take()) is not None:
        settle(queue, taken, run_job(taken), progress)
    assert [line for line in lines if line.startswith("memory ran out")] == [
        "memory ran out, so some cells pass 2 rows of a batch at a time; the effective batch is the same"
    ]


def test_a_row_that_does_not_fit_is_a_failure(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    job = cells(run_here(methods="ce"))["ce"]
    forget(job.folder)
    Memory(0, monkeypatch)
    outcome = run_job(job)
    assert outcome.state == "failed"
    assert "CUDA out of memory" in outcome.cause


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 7 bytes"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("a text about out-of-memory errors"), False),
    ],
)
def test_which_errors_are_of_memory(error: Exception, expected: bool) -> None:
    assert out_of_memory(error) is expected


def test_other_errors_are_raised_at_once() -> None:
    tries: list[int] = []

    def broken(part: int) -> None:
        tries.append(part)
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        within_memory(broken, 32)
    assert tries == [32]


def test_parts_of_an_odd_batch() -> None:
    def fits(part: int) -> str:
        if part > 3:
            raise MemoryError
        return "done"

    assert within_memory(fits, 13) == ("done", 3)
