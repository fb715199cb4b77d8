"""The shipped recipes: they are read, their files are there, and the two steps work as they are."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.recipe_file import read
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "sweeps" / "recipes").glob("*.json"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_read_and_its_files_come_with_the_repository(path: Path) -> None:
    recipe = read(path)
    assert not recipe.ignored
    assert {"generated", "real"} <= set(recipe.rows)
    assert all((ROOT / place).is_file() for place in recipe.rows.values())


def test_the_two_steps(
    bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, tiny_encoder: Path
) -> None:
    """With the tiny encoder and short trainings; all else is as it is shipped."""
    (tmp_path / "tasks").symlink_to(ROOT / "tasks")
    shutil.copytree(ROOT / "sweeps" / "recipes", tmp_path / "sweeps" / "recipes")
    for path in (tmp_path / "sweeps" / "recipes").glob("*.json"):
        small = {"model_name_or_path": str(tiny_encoder), "num_train_epochs": 1, "max_seq_length": 16}
        path.write_text(json.dumps({**json.loads(path.read_text()), **small}))

    early = bench("train", "sweeps/recipes/twitter_dimp.json")
    assert (early.returncode, early.stderr.count("\n")) == (2, 1), "the checker is not there yet"
    assert "output/twitter_val/model" in early.stderr
    for name in ("twitter_val", "twitter_dimp"):
        ran = bench("train", f"sweeps/recipes/{name}.json")
        assert ran.returncode == 0, ran.stdout + ran.stderr
    message = {
        name: json.loads((tmp_path / "output" / name / "results.json").read_text())
        for name in ("twitter_val", "twitter_dimp")
    }
    assert [entry["method"] for entry in message.values()] == ["ce", "dimp"]
    folders = [next((tmp_path / "runs").rglob(entry["cell"])) for entry in message.values()]
    first, second = (json.loads((folder / "spec.json").read_text()) for folder in folders)
    assert first["data"]["test"] == second["data"]["test"], "both steps are tested on the same rows"
    assert not list((tmp_path / "runs" / ".artefacts").glob("checker/*")), "the saved checker is used"
    lines = (tmp_path / "output" / "twitter_dimp" / "test_submission.txt").read_text().splitlines()
    assert lines[0] == "Id,Prediction"
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 13))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem_typ": "x"}, "problem_type"),
        ({"validation_file": "cut.jsonl"}, "cut.jsonl, line 2: not valid JSON"),
        ({"validation_file": "greek.csv"}, "greek.csv, row 1: not valid UTF-8"),
        ({"validation_file": "course"}, "no train_pos.txt"),
        ({"test_file": "test_data.txt", "do_predict": True}, "line 2: 'two' is not id,text"),
    ],
)
def test_bad_input_is_one_line(
    change: dict[str, object], message: str, bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "cut.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "la')
    (tmp_path / "greek.csv").write_bytes("text,label\nωραίο,1\n".encode("iso8859-7"))
    (tmp_path / "test_data.txt").write_text("1,one\ntwo\n")
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "train_neg.txt").write_text("sad\n")
    (tmp_path / "tasks").symlink_to(ROOT / "tasks")
    values = json.loads((ROOT / "sweeps" / "recipes" / "twitter_val.json").read_text())
    (tmp_path / "bad.json").write_text(json.dumps({**values, **change}))
    ran = bench("train", "bad.json")
    assert ran.returncode == 2, ran.stdout
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "output").exists()
    assert not (tmp_path / "runs").exists()
