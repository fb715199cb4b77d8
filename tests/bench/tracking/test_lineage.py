"""Artifacts and runs of finished cells as the real client sends them to a server on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.encoders.checkpoints import find
from bench.errors import UserError
from bench.jobs import MirrorJob
from bench.store.files import read_json, write_json, write_text
from bench.store.folders import finish
from bench.store.layout import DONE
from bench.tracking import trackers, wandb_runs
from bench.tracking.lineage import slug
from tasks.sources.places import read_place
from tests.helpers.wandb_stub import ENTITY, KEY, PROJECT, Stub

pytestmark = pytest.mark.wandb_agent
Command = Callable[..., subprocess.CompletedProcess[str]]
ROWS = [{"text": 'so "happy" é', "label": "positive"}, {"text": "sad,\nvery", "label": "negative"}]


@pytest.fixture
def job(tmp_path: Path) -> MirrorJob:
    """A finished cell of three updates with its model and rows, all of which is to be logged."""
    cell, root = tmp_path / "runs" / "twitter" / "dimp" / "c0ffee", tmp_path / "runs"
    spec = {"id": "c0ffee", "task_ref": "twitter[real=50]", "label": "dimp(clip=2.0)", "seed": 3, "source": "bundled"}
    spec |= {"origins": {}, "labels": ["negative", "positive"], "encoder": "tiny", "preset": "smoke"}
    write_json(cell / "spec.json", {**spec, "protocol": "fixed", "settings": {"lr": 1e-4}, "real_use": "checker"})
    write_text(cell / "history.jsonl", "".join(json.dumps({"step": i, "loss": 1 / (i + 1)}) + "\n" for i in range(3)))
    write_text(cell / "model" / "config.json", '{"architectures": ["BertForSequenceClassification"]}')
    save_file({"weight": torch.zeros(1)}, cell / "model" / "model.safetensors")
    write_text(cell / "model" / "vocab.txt", "a")
    finish(cell, {"accuracy": 0.75, "rows": 4, "selected": {"accuracy": 0.5, "epoch": 2}})
    folder = root / ".artefacts" / "mirror" / "m"
    folder.mkdir(parents=True)
    rows = {"train.json": ROWS, "val.json": ROWS[:1], "test.json": ROWS[1:]}
    return MirrorJob("mirror/m", folder, root, (), "wandb", cell, "twitter dimp", rows=rows, model=True)


def sync(folder: Path) -> None:
    """Sync the offline runs of a folder, as a user would."""
    runs = [str(path) for path in (folder / "wandb").glob("offline-run-*")]
    command = [sys.executable, "-m", "wandb", "sync", *runs]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def holding_the_key(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def check_artifacts(server: Stub) -> None:
    """What the server has is the rows and the model, whole and tied to the run."""
    data, model = server.artifacts.uploaded["twitter-real-50-seed-3:v0"], "twitter-real-50-dimp-clip-2.0-seed-3:v0"
    assert (data.kind, data.run, data.metadata["rows"]) == (
        "dataset",
        "c0ffee",
        {"train.json": 2, "val.json": 1, "test.json": 1},
    )
    folder = server.artifacts.folders["twitter-real-50-seed-3:v0"]
    assert read_place(str(folder / "train.json"), "generated").columns["text"] == [row["text"] for row in ROWS]
    logged = server.artifacts.uploaded[model]
    assert (logged.kind, logged.run, sorted(logged.aliases)) == ("model", "c0ffee", ["cell-c0ffee", "latest"])
    assert (logged.metadata["labels"], logged.metadata["accuracy"]) == (["negative", "positive"], 0.75)
    assert all(entry.committed for entry in server.artifacts.uploaded.values())


def test_rows_and_model_with_what_they_are_from(server: Stub, job: MirrorJob, tmp_path: Path) -> None:
    server.artifacts.folders["encoder:v0"] = job.cell
    notes = trackers.build(replace(job, inputs=(f"{ENTITY}/{PROJECT}/encoder:v0",)))["notes"]
    model = f"wandb:{ENTITY}/{PROJECT}/twitter-real-50-dimp-clip-2.0-seed-3:v0"
    assert notes == [f"W&B dataset: wandb:{ENTITY}/{PROJECT}/twitter-real-50-seed-3:v0", f"W&B model: {model}"]
    check_artifacts(server)
    assert server.artifacts.used == [("c0ffee", "encoder:v0"), ("c0ffee", "twitter-real-50-seed-3:v0")]
    run = server.runs["c0ffee"]
    assert run["config"]["settings.lr"] == 1e-4
    assert run["history"][-1]["selected/accuracy"] == 0.5, "what a sweep may maximise without looking at the test"
    assert find(model).hash == find(str(job.cell / "model")).hash, "and the model comes back under that name"
    assert not holding_the_key(tmp_path)


def test_a_run_that_is_sent_again_goes_on(server: Stub, job: MirrorJob) -> None:
    trackers.build(replace(job, rows={}, model=False))
    before = [dict(line) for line in server.runs["c0ffee"]["history"]]
    assert len(before) == 4
    assert trackers.build(job)["notes"][0].startswith("W&B dataset")
    assert server.runs["c0ffee"]["history"] == before, "nothing twice"
    check_artifacts(server)


def test_an_offline_run_arrives_by_sync(
    server: Stub, job: MirrorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    (note,) = trackers.build(job)["notes"]
    assert "wandb sync" in note
    assert not server.runs
    (job.cell / "model" / "model.safetensors").unlink()  # the offline run has its own copy
    monkeypatch.setenv("WANDB_MODE", "online")
    sync(tmp_path)
    run = server.runs["c0ffee"]
    assert [line.get("train/loss") for line in run["history"]] == pytest.approx([1, 1 / 2, 1 / 3, None])
    assert run["history"][-1]["accuracy"] == 0.75
    assert (run["config"]["cell"], run["config"]["settings.lr"], run["exitcode"]) == ("c0ffee", 1e-4, 0)
    check_artifacts(server)
    assert not holding_the_key(tmp_path)


def test_a_server_that_falls_silent(
    server: Stub, job: MirrorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_runs, "SENDING", 1)
    server.silent_after = "UpsertBucket"
    notes = trackers.build(replace(job, rows={}, model=False))["notes"]
    assert "the server did not accept a run" in notes[0]
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1
    with Stub() as other:  # it is back
        for name, value in {**os.environ, "WANDB_BASE_URL": other.url}.items():
            monkeypatch.setenv(name, value)
        sync(tmp_path)
        assert other.runs["c0ffee"]["history"][-1]["accuracy"] == 0.75


def test_whoever_logged_in_at_this_server_is_online(
    server: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    assert not wandb_runs.logged_in()
    place = server.url.removeprefix("http://").partition(":")[0]
    (tmp_path / "home" / ".netrc").write_text(f"machine {place} login user password {KEY}\n", encoding="utf-8")
    assert wandb_runs.logged_in()


@pytest.mark.parametrize("tracker", ["none", "tensorboard"])
def test_artifacts_go_to_wandb_alone(tracker: str) -> None:
    with pytest.raises(UserError, match="needs --track wandb"):
        trackers.check(tracker, 1, ["model"])


def test_kinds_that_there_are() -> None:
    with pytest.raises(UserError, match=r"modle.*model"):
        trackers.check("wandb", 1, ["modle"])


def test_a_key_that_the_client_refuses(
    server: Stub, job: MirrorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "oops-too-short")
    notes = trackers.build(replace(job, rows={}, model=False))["notes"]
    assert "the server did not accept a run" in notes[0]
    assert "oops" not in " ".join(notes)
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"oops-too-short" in path.read_bytes()]


def test_names_that_wandb_takes() -> None:
    assert slug("twitter[noise=0.2,real=50]", "dimp(clip=2.0)", 1) == "twitter-noise-0.2-real-50-dimp-clip-2.0-seed-1"
    assert len(slug("x" * 500, 10**6)) <= 128


@pytest.mark.slow
def test_the_command(bench: Command, server: Stub, tmp_path: Path, tiny_encoder: Path) -> None:
    server.artifacts.folders["encoder:v0"] = tiny_encoder
    options = ["run", "--seeds", "1", "--methods", "ce", "--preset", "smoke", "--workers", "1", "--no-figures"]
    options += ["--save-models", "full", "--encoder", f"wandb:{ENTITY}/{PROJECT}/encoder:v0", "--log-artifacts=True"]
    ran = bench(*options, "--track", "wandb")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"W&B model: wandb:{ENTITY}/{PROJECT}/twitter-ce-seed-0:v0" in ran.stdout
    (cell,) = (tmp_path / "runs").glob(f"twitter/ce/*/{DONE}")
    assert (cell.parent.name, "encoder:v0") in server.artifacts.used
    sizes = read_json(cell.parent / "spec.json")["rows"]
    folder = server.artifacts.folders["twitter-seed-0:v0"]
    assert sizes["generated"] == len(read_place(str(folder / "train.json"), "generated").columns["text"])
    assert not holding_the_key(tmp_path)

    # The rows are what `bench train` reads, and a saved model is logged where the run is.
    config = {
        "use_wandb_dataset": True,
        "wandb_dataset": f"{ENTITY}/{PROJECT}/twitter-seed-0:v0",
        "num_train_epochs": 1,
    }
    config |= {"use_wandb_model": True, "wandb_model": f"{ENTITY}/{PROJECT}/encoder:v0", "save_model": True}
    config |= {"report_to": ["wandb"], "max_seq_length": 32, "per_device_train_batch_size": 16}
    write_json(tmp_path / "config.json", config)
    trained = bench("train", "config.json", "--live-curves")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    (identity,) = {path.parent.name for path in (tmp_path / "runs").glob(f"[!.]*/*/*/{DONE}")} - {cell.parent.name}
    used = {name for run, name in server.artifacts.used if run == identity}
    assert used == {"encoder:v0", "twitter-seed-0:v0"}
    assert server.runs[identity]["config"]["requested.epochs"] == 1
    assert [entry.kind for entry in server.artifacts.uploaded.values() if entry.run == identity] == ["model"]
