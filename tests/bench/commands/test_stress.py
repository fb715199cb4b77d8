"""`bench stress` and the oracle as a user runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.stress_axis import along
from bench.errors import UserError

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("task", "axis", "expected"),
    [
        ("twitter", "noise=0:0.4:0.2", "twitter[noise=0.0],twitter[noise=0.2],twitter[noise=0.4]"),
        ("news", "real=50,100", "news[real=50],news[real=100]"),
        ("news[noise_kind=pair]", "noise=0,0.3", "news[noise_kind=pair,noise=0],news[noise_kind=pair,noise=0.3]"),
        ("twitter", "imbalance=1:3:1", "twitter[imbalance=1],twitter[imbalance=2],twitter[imbalance=3]"),
    ],
)
def test_an_axis_as_references(task: str, axis: str, expected: str) -> None:
    assert along(task, axis) == expected


@pytest.mark.parametrize(
    ("task", "axis", "message"),
    [
        ("twitter", "nois=0:1:0.1", "did you mean 'noise'"),
        ("twitter", "noise_kind=pair", "axis"),
        ("twitter", "noise", "START:STOP:STEP"),
        ("twitter", "noise=0:1", "START:STOP:STEP"),
        ("twitter", "noise=0:0.4:0", "START:STOP:STEP"),
        ("twitter", "noise=0.4:0:0.1", "0 values"),
        ("twitter", "noise=0:0.9:0.001", "901 values"),
        ("twitter", "noise=0.1", "1 value; an axis has 2 to 50"),
        ("twitter[noise=0.1]", "noise=0:0.4:0.1", "already"),
        ("twitter,news", "noise=0:0.4:0.1", "one task"),
    ],
)
def test_what_is_no_axis(task: str, axis: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        along(task, axis)


def test_an_axis_is_run_as_one_grid(bench: Command, tmp_path: Path) -> None:
    command = ("stress", "--axis", "noise=0:0.4:0.4", "--task", "twitter", "--methods", "ce,real-only", "--seeds", "2")
    run = bench(*command, tiny=True)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())
    assert [section["task_ref"] for section in report["sections"]] == ["twitter", "twitter[noise=0.4]"]
    (rows,) = report["parts"].values()
    assert {row["label"] for row in rows} == {"ce", "real-only"}
    real = next(row for row in rows if row["label"] == "real-only")
    assert real["change"]["difference"] == 0, "noise does not touch it, so it was trained once"
    assert len(list((tmp_path / "runs" / "twitter" / "real-only").iterdir())) == 2
    assert "Stress: Tweet polarity along noise" in (tmp_path / "reports" / "leaderboard.md").read_text()
    bad = bench("stress", "--axis", "noise=0:2:1", tiny=True)
    assert bad.returncode == 2
    assert "from 0 to 0.99" in bad.stderr


def test_the_oracle_is_run_and_reported(bench: Command, tmp_path: Path) -> None:
    run = bench(
        *("run", "--tasks", "oracle[conditional=2]", "--methods", "ce,imp,confident", "--seeds", "1"),
        *("--preset", "scratch", "--set", "updates=20", "--workers", "1", "--no-figures"),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    text = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "### Compared with the true distributions" in text
    assert "No text: made-up words" in text
    assert "no human text" not in text
    (section,) = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())["sections"]
    rows = {row["label"]: row for row in section["parts"]["oracle"]}
    assert rows["confident"]["log_error"] is None, "weights of 0 are infinitely far off"
    assert 0 < rows["imp"]["rank"] < 1
    assert rows["ce"]["rank"] is None
    assert rows["Bayes classifier of P"]["accuracy"] > max(rows[name]["accuracy"] for name in ("ce", "imp"))
