"""Curves at W&B while a cell trains, with the real client and a server on the loopback interface."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accelerate import PartialState

from bench.jobs import MirrorJob
from bench.store.files import read_json_lines, write_json
from bench.store.schemas import Update
from bench.tracking import live, wandb_runs
from bench.tracking.live import live_curves
from tests.helpers.wandb_stub import PROJECT, Stub, logged_in

pytestmark = pytest.mark.wandb_agent
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr(wandb_runs, "_unreachable", [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_PROJECT", PROJECT)
    monkeypatch.setenv("WANDB__FILE_STREAM_TRANSMIT_INTERVAL", "1")
    with logged_in(tmp_path, monkeypatch) as stub:
        yield stub


@pytest.fixture
def job(tmp_path: Path) -> MirrorJob:
    """The run of a cell that has begun: it has its specification and nothing else."""
    cell = tmp_path / "runs" / "twitter" / "dimp" / "c0ffee"
    PartialState()  # as in a training
    write_json(cell / "spec.json", {"id": "c0ffee", "task_ref": "twitter", "label": "dimp", "seed": 3})
    return MirrorJob("mirror/m", tmp_path / "m", tmp_path / "runs", (), "wandb", cell, "twitter dimp seed 3")


def losses(server: Stub) -> list[float]:
    """What the server knows of the run's loss."""
    return [line["train/loss"] for line in server.runs.get("c0ffee", {}).get("history", []) if "train/loss" in line]


def test_the_server_has_updates_before_the_training_ends(server: Stub, job: MirrorJob) -> None:
    with live_curves(job) as send:
        assert send is not None
        send([{"step": 0, "loss": 1.0, "weight_mean": float("nan")}, {"step": 1, "loss": 0.5}])
        deadline = time.monotonic() + 60
        while losses(server) != [1.0]:  # W&B sends an update when it knows the next one
            assert time.monotonic() < deadline, wandb_runs._unreachable
            time.sleep(0.02)
        assert server.runs["c0ffee"]["exitcode"] is None
        send([{"step": 2, "loss": 0.25}])
    assert losses(server) == [1.0, 0.5, 0.25]
    assert server.runs["c0ffee"]["exitcode"] == 0
    assert server.runs["c0ffee"]["config"]["label"] == "dimp"


def test_a_training_that_fails_is_a_failed_run(server: Stub, job: MirrorJob) -> None:
    def train() -> None:
        with live_curves(job) as send:
            assert send is not None
            send([{"step": 0, "loss": 1.0}])
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        train()
    assert server.runs["c0ffee"]["exitcode"] == 1


def test_a_server_that_falls_silent_holds_up_nothing(
    server: Stub, job: MirrorJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (live, wandb_runs):
        monkeypatch.setattr(module, "SENDING", 1)
    server.silent_after = "UpsertBucket"
    with live_curves(job) as send:
        assert send is not None
        send([{"step": 0, "loss": 1.0}])
    # The cell is then written offline, by a process that no longer asks this server.
    assert "did not accept a run" in wandb_runs._unreachable[0]


def test_nothing_without_a_job() -> None:
    with live_curves(None) as send:
        assert send is None


def test_the_command_sends_each_update_once(bench: Command, server: Stub, tmp_path: Path) -> None:
    ran = bench("run", "--methods", "ce", "--seeds", "1", "--track", "wandb", "--live-curves", tiny=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (file,) = (tmp_path / "runs" / "twitter" / "ce").glob("*/history.jsonl")
    run = server.runs[file.parent.name]
    logged = [line["train/loss"] for line in run["history"] if "train/loss" in line]
    assert logged == pytest.approx([row["loss"] for row in read_json_lines(file, Update)])
    assert (run["exitcode"], "accuracy" in run["history"][-1]) == (0, True)
