"""`--save-models best` keeps the model of the advised method alone, and says which others went."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.execution import grid
from bench.execution.best_models import keep_best
from bench.store.layout import MODEL
from tests.helpers import in_process

Manifest = dict[str, Any]


def store(root: Path, methods: dict[str, tuple[int, ...]]) -> tuple[Manifest, set[Path]]:
    """A section with two seeds of each method, and models of 2 KiB in the cells of some seeds."""
    section = {"task_ref": "mood", "methods": []}
    saved = set()
    for label, with_model in methods.items():
        cells = {str(seed): f"mood/{label}/{seed}" for seed in range(2)}
        section["methods"].append({"label": label, "cells": cells})
        for seed in with_model:
            folder = root / cells[str(seed)]
            (folder / MODEL).mkdir(parents=True)
            (folder / MODEL / "config.json").write_text("x" * 2048)
            saved.add(folder)
    return {"sections": [section]}, saved


def report(choice: str | None, informative: bool = True) -> dict[str, Any]:
    return {"sections": [{"advice": {"informative": informative, "choice": choice}}]}


def kept(root: Path) -> list[str]:
    return sorted(str(path.parent.relative_to(root / "mood")) for path in root.glob(f"*/*/*/{MODEL}"))


@pytest.mark.parametrize(
    ("choice", "informative", "left", "line"),
    [
        ("b", True, ["b/0"], "kept 1 of 5, that of b"),
        ("c", True, ["c/1"], "kept 1 of 5, that of c"),  # its first seed was done before, without a model
        (None, True, ["a/0", "a/1", "b/0", "b/1", "c/1"], "all 5 models stay, since no method is advised"),
        ("b", False, ["a/0", "a/1", "b/0", "b/1", "c/1"], "all 5 models stay, since no method is advised"),
        ("d", True, ["a/0", "a/1", "b/0", "b/1", "c/1"], "no cell of d, which is advised, has a model"),
    ],
)
def test_the_model_of_the_advised_method_stays(
    choice: str | None, informative: bool, left: list[str], line: str, tmp_path: Path
) -> None:
    manifest, saved = store(tmp_path, {"a": (0, 1), "b": (0, 1), "c": (1,), "d": ()})
    lines = list(keep_best(manifest, report(choice, informative), tmp_path, saved))
    assert line in lines[0]
    assert kept(tmp_path) == left
    assert ("removed 4 models" in lines[-1]) == (len(left) == 1)


def test_models_of_earlier_runs_stay(tmp_path: Path) -> None:
    manifest, saved = store(tmp_path, {"a": (0, 1), "b": (0, 1)})
    earlier = tmp_path / "mood" / "a" / "1"
    assert len(list(keep_best(manifest, report("b"), tmp_path, saved - {earlier}))) == 2
    assert kept(tmp_path) == ["a/1", "b/0"]
    assert list(keep_best(manifest, report("b"), tmp_path, set())) == []


def test_a_run_keeps_one_model(bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    ran = bench("run", "--methods", "ce,real-only", "--seeds", "2", "--save-models", "best", tiny=True)
    assert ran.returncode == 0, ran.stderr
    (section,) = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())["sections"]
    advised = section["advice"].get("choice") if section["advice"]["informative"] else None
    models = list((tmp_path / "runs").glob(f"twitter/*/*/{MODEL}"))
    assert len(models) == (4 if advised is None else 1)
    assert "models of twitter: " in ran.stdout
    if advised is not None:
        assert models[0].parent.parent.name == advised


def test_models_that_the_run_itself_removed_are_not_missed(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remove(covered: object, shown: object, root: Path, saved: set[Path]) -> Iterator[str]:
        for folder in saved:
            shutil.rmtree(folder / MODEL)
        yield f"removed {len(saved)}"

    monkeypatch.setattr(grid, "keep_best", remove)
    typed = ("run", "--methods", "ce,real-only", "--seeds", "1", "--encoder", str(tiny_encoder), "--preset", "smoke")
    places = ("--out", str(tmp_path / "runs"), "--reports", str(tmp_path / "reports"), "--workers", "1", "--no-figures")
    code, printed, error = in_process.command(capsys, *typed, *places, "--save-models", "best")
    assert code == 0, error
    assert "removed 2" in printed
    assert "without a model" not in printed


@pytest.mark.parametrize(
    ("option", "message"),
    [("--until-decided", "without --until-decided"), ("--limit=20", "which a smoke run (--limit) does not have")],
)
def test_runs_without_one_advice_are_refused(
    option: str, message: str, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = ("run", "--methods", "ce", "--encoder", str(tiny_encoder), "--preset", "smoke", "--save-models", "best")
    code, _, error = in_process.command(capsys, *typed, option, "--out", str(tmp_path / "runs"))
    assert code == 2
    assert message in error
    assert not (tmp_path / "runs").exists()
