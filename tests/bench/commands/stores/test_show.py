"""`bench show`: a cell by id, folder or words; how two cells differ."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.cli import main
from bench.commands.stores.show import diff, show, spark
from bench.errors import UserError
from bench.planning.plan import Plan
from bench.store.files import read_json, write_json
from bench.store.find import find


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A store with `ce` and `dimp(clip=2.0)` of two seeds."""
    from bench.config.request import make_request
    from bench.execution.worker import run_job
    from bench.planning.planner import make_plan

    folder = tmp_path_factory.mktemp("store")
    request = make_request(methods="ce,dimp(clip=2)", seeds=2, encoder=str(tiny_encoder), preset="smoke")
    plan: Plan = make_plan(request, folder)
    assert all(run_job(job).state == "done" for job in plan.jobs.values())
    return folder


def test_a_cell_is_found_by_id_folder_and_words(root: Path) -> None:
    folder = find(root, "twitter ce 1")
    assert read_json(folder / "spec.json")["seed"] == 1
    assert find(root, folder.name[:8]) == find(root, folder.name) == find(root, str(folder)) == folder
    assert find(root, "twitter dimp 0") == find(root, "twitter dimp(clip=2.0) 0")
    assert ".artefacts" in find(root, "twitter real-only 0").parts, "a checker can be shown too"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("twitter cee 0", "did you mean 'twitter ce 0'"),
        ("", "no cell ''"),
        ("twitter", "no cell 'twitter'"),
        ("zz", "no cell 'zz'"),
    ],
)
def test_a_name_that_does_not_fit_one_cell_is_an_error(root: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find(root, name)


def test_a_short_beginning_of_an_id_is_explained(root: Path) -> None:
    with pytest.raises(UserError, match="of an id give at least 6 characters"):
        find(root, find(root, "twitter ce 0").name[:5])


def test_everything_about_a_cell_is_shown(root: Path, tmp_path: Path) -> None:
    folder = find(root, "twitter dimp(clip=2.0) 0")
    text = "\n".join(show(folder))
    metrics = read_json(folder / "metrics.json")
    for part in ("twitter dimp(clip=2.0) 0: done", "clip ", "updates ", f"{metrics['accuracy']:.6g}", "torch", "loss "):
        assert part in text
    assert "curves over 8 updates" in text
    write_json(tmp_path / "spec.json", read_json(folder / "spec.json"))
    write_json(tmp_path / "error.json", {"type": "OSError", "message": "no disk"})
    assert "failed (OSError: no disk)" in next(show(tmp_path))


def test_the_difference_of_two_cells(root: Path) -> None:
    ce, dimp = find(root, "twitter ce 0"), find(root, "twitter dimp(clip=2.0) 0")
    lines = list(diff(ce, dimp))
    assert any(line.split() == ["hyperparameters.clip", "-", "|", "2"] for line in lines)
    assert any(line.strip().startswith("precomputed.quality") for line in lines)
    assert "versions: the same" in lines
    gain = read_json(dimp / "metrics.json")["accuracy"] - read_json(ce / "metrics.json")["accuracy"]
    assert any(line.strip().startswith("accuracy") and f"({gain:+.4f})" in line for line in lines)
    same = list(diff(ce, ce))
    assert all(f"{group}: the same" in same for group in ("settings", "data", "code", "versions"))
    assert same[-1] == "predictions: 0 of 1374 test rows differ in class; largest difference of a logit 0"


def test_the_command_takes_words_apart(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["show", "twitter", "ce", "0", "--diff", "twitter ce 1", "--out", str(root)])
    assert stop.value.code == 0
    assert "seed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "bars"), [([1.0], "▁"), ([0.0, 1.0], "▁█"), ([2.0, 2.0], "▁▁"), ([*range(120)], None)]
)
def test_a_curve_fits_its_width(values: list[float], bars: str | None) -> None:
    drawn = spark([float(value) for value in values])
    assert len(drawn) == min(60, len(values))
    assert drawn == (bars or "".join(sorted(drawn)))


def test_a_damaged_cell_is_shown_with_its_damage(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / find(root, "twitter ce 0").name
    shutil.copytree(find(root, "twitter ce 0"), folder)
    for name in ("history.jsonl", "predictions.parquet", "timing.json"):
        (folder / name).write_text("x")
    lines = list(show(folder))
    assert "damaged (history.jsonl has 1 byte" in lines[0]
    assert any(line.startswith(f"timing: {folder / 'timing.json'} is damaged") for line in lines)
    assert "environment:" in lines
    assert any(line.startswith("curves: history.jsonl cannot be read (") for line in lines)
    assert f"{folder / 'predictions.parquet'} cannot be read" in list(diff(folder, folder))[-1]


def test_infinite_logits_are_compared_without_a_warning(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    shutil.copytree(find(root, "twitter ce 0"), folder)
    table = pd.read_parquet(folder / "predictions.parquet")
    table.loc[0, "logit_0"] = np.inf
    table.to_parquet(folder / "predictions.parquet", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(diff(folder, folder))[-1].endswith("largest difference of a logit nan")
