"""The report of a grid at W&B."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.leaderboard import write_files
from bench.leaderboard.formats import USUAL
from bench.tracking.report import log_report
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.wandb_stub import ENTITY, PROJECT, Stub


@pytest.mark.wandb_agent
def test_the_report_is_a_table_and_an_artifact(server: Stub, tmp_path: Path) -> None:
    store = FakeStore(tmp_path / "runs", rows=60).method("ce").method("dimp", skill=2.0)
    manifest = store.manifest()
    for name in ("leaderboard.xlsx", "figures/patients-gains.png"):  # of an earlier report on other data
        (tmp_path / "reports" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "reports" / name).write_bytes(b"x")
    lines = log_report("wandb", manifest, write_files(manifest, store.root, tmp_path / "reports", figures=False))
    assert lines == [f"W&B report: wandb:{ENTITY}/{PROJECT}/leaderboard-twitter:v0"]
    logged = server.artifacts.uploaded["leaderboard-twitter:v0"]
    assert logged.kind == "report"
    files = server.artifacts.folders["leaderboard-twitter:v0"]
    assert (files / "leaderboard.md").read_bytes() == (tmp_path / "reports" / "leaderboard.md").read_bytes()
    assert {path.name for path in files.rglob("*") if path.is_file()} == {f"leaderboard.{name}" for name in USUAL}
    (run,) = server.runs.values()
    assert run["config"]["tasks"] == ["twitter"]
    tables = [line["leaderboard"] for line in run["history"] if "leaderboard" in line]
    assert [(table["_type"], table["nrows"]) for table in tables] == [("table-file", 2)]


def test_no_report_is_logged_for_other_trackers_or_in_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_report("tensorboard", {}, []) == []
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    assert log_report("wandb", {}, []) == []


def test_a_report_that_cannot_be_logged_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_SWEEP_ID", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    (line,) = log_report("wandb", {"sections": [], "command": ""}, [tmp_path / "nowhere" / "leaderboard.md"])
    assert line.startswith("W&B: the report was not logged (")
