"""W&B with its real client: agents of a sweep, runs outside sweeps, and a server that does not answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from bench.store.files import read_json
from bench.store.layout import DONE
from tests.conftest import ROOT
from tests.helpers.wandb_stub import ENTITY, PROJECT, Stub

pytestmark = pytest.mark.wandb_agent
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


@pytest.fixture
def environment(server: Stub, tmp_path: Path) -> dict[str, str]:
    """The variables of a shell in which the environment is active and the user is logged in."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**server.environment(tmp_path), "PYTHONPATH": str(ROOT), "PATH": path, "HF_HUB_OFFLINE": "1"}


def cells(folder: Path) -> list[Path]:
    """The finished cells of a store, without precomputed tables."""
    return sorted(path.parent for path in (folder / "runs").glob(f"[!.]*/*/*/{DONE}"))


def training(agent: subprocess.Popen[bytes]) -> bool:
    """Whether the agent has started the command of a trial."""
    commands = [child.cmdline() for child in psutil.Process(agent.pid).children()]
    return any("bench" in command for command in commands)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_agents_share_a_sweep_and_one_is_killed(
    server: Stub, environment: dict[str, str], tmp_path: Path, tiny_encoder: Path
) -> None:
    fixed = {"preset": "smoke", "encoder": str(tiny_encoder), "workers": 1, "no_figures": True}
    parameters = {"methods": {"values": ["ce", "dimp"]}, "seed": {"values": [0, 1]}}
    parameters |= {name: {"value": value} for name, value in fixed.items()}
    command = ["${env}", "${interpreter}", "-m", "bench", "run", "--track=wandb", "${args}"]
    sweep = {"program": "bench", "method": "grid", "parameters": parameters, "command": command}
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")

    def call(*arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["wandb", *arguments], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)

    assert call("sweep", "--project", PROJECT, "sweep.yaml").wait(120) == 0
    name = f"{ENTITY}/{PROJECT}/{next(iter(server.sweeps))}"
    victim, other = call("agent", name), call("agent", name)
    deadline = time.monotonic() + 240  # as long as a crowded machine may need
    while len(server.trials) < 2 or not training(victim):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    victim.send_signal(signal.SIGKILL)  # its child goes on and is nobody's any more
    assert other.wait(400) == 0
    assert sorted(server.trials) == ["run0", "run1", "run2", "run3"]
    while len(cells(tmp_path)) < 4 and time.monotonic() < deadline + 60:
        time.sleep(0.2)
    specs = [read_json(path / "spec.json") for path in cells(tmp_path)]
    assert sorted((spec["method"], spec["seed"]) for spec in specs) == [("ce", 0), ("ce", 1), ("dimp", 0), ("dimp", 1)]

    ended = {run: server.runs[run] for run in server.trials if server.runs.get(run, {}).get("exitcode") == 0}
    assert len(ended) >= 3, "each trial that ended is one W&B run under the id that the agent gave it"
    stored = {path.name: read_json(path / DONE) for path in cells(tmp_path)}
    for run in ended.values():
        assert run["history"][-1]["accuracy"] == stored[run["config"]["cell"]]["accuracy"]
        assert "train/loss" in run["history"][0]


def test_a_trial_that_is_finished_is_not_trained_again(
    bench: Command, environment: dict[str, str], server: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = bench("run", "--methods", "ce", "--seeds", "1", tiny=True)
    assert first.returncode == 0, first.stderr
    before = [path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob(DONE)]
    for name, value in {**environment, "WANDB_SWEEP_ID": "s", "WANDB_RUN_ID": "trial7"}.items():
        monkeypatch.setenv(name, value)
    again = bench("run", "--methods", "ce", "--seeds", "1", "--track", "wandb", tiny=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 done before" in again.stdout
    assert before == [
        path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob(DONE) if ".artefacts/mirror" not in str(path)
    ]
    assert server.runs["trial7"]["exitcode"] == 0
    two = bench("run", "--methods", "ce,focal", "--seeds", "1", "--track", "wandb", tiny=True)
    assert two.returncode == 2
    assert "a trial is one run of one cell" in two.stderr


@pytest.mark.slow  # it waits twice
def test_a_server_that_does_not_answer_costs_nothing(
    bench: Command, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        ran = bench("run", "--methods", "ce,focal", "--seeds", "1", "--track", "wandb", tiny=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("does not answer within 10 s") == 1
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 3, "two cells and the report"
    key = environment["WANDB_API_KEY"]
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert not holding, "the key stands in no file"


def test_tensorboard(bench: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    ran = bench("run", "--methods", "ce", "--seeds", "1", "--track", "tensorboard", tiny=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = next((tmp_path / "runs" / ".tensorboard").rglob("events.*")).parent
    events = EventAccumulator(str(folder))
    events.Reload()
    (cell,) = cells(tmp_path)
    history = [json.loads(line)["loss"] for line in (cell / "history.jsonl").read_text().splitlines()]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(history)
    assert events.Scalars("accuracy")[0].value == pytest.approx(read_json(cell / DONE)["accuracy"])


def test_unknown_tracker(bench: Command) -> None:
    ran = bench("run", "--methods", "ce", "--track", "wandbb", tiny=True)
    assert ran.returncode == 2
    assert "wandb" in ran.stderr
