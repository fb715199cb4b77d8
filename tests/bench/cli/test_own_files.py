"""A practitioner's way: files and no more, from the command to the report; and cells that are named by content."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.config.request import make_request
from bench.planning.planner import make_plan

Command = Callable[..., "subprocess.CompletedProcess[str]"]
COUNTS = {"generated": 40, "real": 75, "test": 30}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A CSV file per role: two classes, told apart by a word."""
    result = {}
    for role, count in COUNTS.items():
        rows = [(f"{role} {word} {i}", word) for word in ("bad", "good") for i in range(count)]
        result[role] = tmp_path / f"my {role}.csv"
        pd.DataFrame(rows, columns=["Review", "Class"]).to_csv(result[role], index=False)
    return result


def cells(tmp_path: Path, tiny_encoder: Path, **request: object) -> set[str]:
    grid = make_request(methods="core", seeds=2, preset="smoke", encoder=str(tiny_encoder), **request)  # type: ignore[arg-type]
    return set(make_plan(grid, tmp_path / "runs").cells)


def test_cells_go_by_content_not_by_name_path_or_format(
    tmp_path: Path, tiny_encoder: Path, files: dict[str, Path]
) -> None:
    by_role = cells(tmp_path, tiny_encoder, **files)
    folder = tmp_path / "elsewhere" / "mytask"
    folder.mkdir(parents=True)
    for role, path in files.items():
        frame = pd.read_csv(path)
        frame.rename(columns={"Review": "text", "Class": "label"}).to_parquet(folder / f"{role}.parquet")
    assert cells(tmp_path, tiny_encoder, tasks=str(folder)) == by_role
    folder.rename(tmp_path / "renamed")
    assert cells(tmp_path, tiny_encoder, tasks=str(tmp_path / "renamed")) == by_role
    frame = pd.read_parquet(tmp_path / "renamed" / "real.parquet")
    frame.loc[0, "text"] = "another text"
    frame.to_parquet(tmp_path / "renamed" / "real.parquet")
    changed = cells(tmp_path, tiny_encoder, tasks=str(tmp_path / "renamed"))
    assert changed != by_role
    assert len(changed & by_role) == 6, "what reads no real row is the same: ce, focal, superloss, two seeds"


def test_two_files_are_enough(bench: Command, tmp_path: Path, files: dict[str, Path]) -> None:
    places = ("--generated", str(files["generated"]), "--real", str(files["real"]))
    run = bench("run", "--methods", "ce,dimp", "--seeds", "1", *places, "--folds=0", tiny=True)
    assert run.returncode == 0, run.stderr
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "No test set was given: 75 of the 150 real rows, stratified by label" in report
    assert "generated rows from my generated.csv; real rows from my real.csv" in report
    assert "no human text" not in report
    specs = [json.loads(path.read_text()) for path in tmp_path.glob("runs/files/*/*/spec.json")]
    assert {spec["method"] for spec in specs} == {"ce", "dimp"}
    for spec in specs:
        assert spec["origins"] == {"generated": "my generated.csv", "real": "my real.csv"}
        assert (spec["source"], spec["labels"], spec["rows"]["test"]) == ("files", ["bad", "good"], 75)
    assert len(list(tmp_path.glob("runs/files/*/*/metrics.json"))) == 2
