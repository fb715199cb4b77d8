"""A cell where a model is named: as a checker, to predict with, in a configuration; and cells that keep none."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.stores.list import cells
from bench.encoders.checkpoints import find
from bench.errors import UserError
from bench.store import find as finding
from bench.store.find import find as find_cell
from bench.store.find import model_of
from bench.store.folders import State, state
from bench.store.manifest import grids, save
from tests.fuzz.examples import METHOD, SECTION

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_kept_cell_checks_and_predicts(bench: Command, tmp_path: Path) -> None:
    assert bench("run", "--methods", "real-only", "--seeds", "1", "--save-models", "full", tiny=True).returncode == 0
    (cell,) = tmp_path.glob("runs/twitter/real-only/*/")
    (tmp_path / "some.txt").write_text("so happy\nthis is awful\n")
    written = []
    for name in (cell.name[:8], "twitter real-only 0", str(cell / "model")):
        ran = bench("predict", name, "some.txt")
        assert ran.returncode == 0, ran.stderr
        written.append((tmp_path / "predictions.csv").read_text())
    assert len(set(written)) == 1

    ran = bench("run", "--methods", "dimp", "--seeds", "1", "--quality-checker", cell.name, tiny=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(tmp_path.glob("runs/.artefacts/checker/*")), "the given checker is used, none is trained"
    checkers = [grid["sections"][0]["given_checkers"] for grid in grids(tmp_path / "runs")]
    assert list(checkers[-1].values()) == [find(str(cell / "model")).hash]

    (without,) = tmp_path.glob("runs/twitter/dimp*/*/")
    for command in (
        ("predict", without.name, "some.txt", "--to", "none.csv"),
        ("run", "--methods", "dimp", "--quality-checker", without.name),
    ):
        ran = bench(*command)
        assert ran.returncode == 2
        assert ran.stderr.count("\n") == 1
        assert "keeps no whole model; train it again: python -m bench run " in ran.stderr
        assert " --methods dimp --seed 0 " in ran.stderr
        assert ran.stderr.rstrip().endswith("--save-models full --force")
    assert not (tmp_path / "none.csv").exists()


def test_a_configuration_may_name_a_cell(bench: Command, tmp_path: Path, tiny_encoder: Path) -> None:
    pd.DataFrame({"text": [f"word {i} {k}" for i in range(60) for k in "ab"], "label": [-1, 1] * 60}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    common = {"model_name_or_path": str(tiny_encoder), "train_file": "rows.csv", "validation_file": "rows.csv"}
    common |= {"max_seq_length": 16, "num_train_epochs": 1, "per_device_train_batch_size": 16}
    (tmp_path / "one.json").write_text(json.dumps(common))
    assert bench("train", "one.json").returncode == 0
    (cell,) = tmp_path.glob("runs/files/ce/*/")
    two = {**common, "problem_type": "single_label_classification_dimp", "quality_checker_model": cell.name[:9]}
    (tmp_path / "two.json").write_text(json.dumps({**two, "output_dir": "two"}))
    ran = bench("train", "two.json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(tmp_path.glob("runs/.artefacts/checker/*"))

    (tmp_path / "some.txt").write_text("so happy\n")
    only = {"model_name_or_path": cell.name, "do_train": False, "do_predict": True, "test_file": "some.txt"}
    (tmp_path / "only.json").write_text(json.dumps({**only, "output_dir": "only"}))
    ran = bench("train", "only.json")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "only" / "test_submission.txt").read_text().startswith("Id,Prediction\n1,")

    (tmp_path / "two.json").write_text(json.dumps({**two, "quality_checker_model": "abcdef012345"}))
    ran = bench("train", "two.json")
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "no cell 'abcdef012345'" in ran.stderr


@pytest.mark.parametrize(
    "name", ["bert-base-uncased", "vinai/bertweet-large", "wandb:a/b/c:v1", "gpt2", "some folder/m"]
)
def test_other_names_stay_what_they_are(name: str, tmp_path: Path) -> None:
    assert model_of(name, tmp_path) == name


def test_the_name_of_a_method_is_that_of_its_only_cell(tmp_path: Path) -> None:
    for number, (method, seed) in enumerate([("ce", 0), ("dimp", 0), ("dimp", 1)]):
        cell = tmp_path / "files" / method / f"{number:020x}"
        cell.mkdir(parents=True)
        spec = {"task_ref": "tweets", "label": method, "method": method, "seed": seed}
        (cell / "spec.json").write_text(json.dumps(spec))
    assert find_cell(tmp_path, "ce") == find_cell(tmp_path, "tweets ce") == find_cell(tmp_path, "tweets ce 0")
    other = tmp_path / "files" / "imp" / f"ce{5:018x}"
    other.mkdir(parents=True)
    (other / "spec.json").write_text(json.dumps({"task_ref": "tweets", "label": "imp", "method": "imp", "seed": 0}))
    assert find_cell(tmp_path, "ce").parent.name == "ce", "an id may begin like the name of a method"
    assert find_cell(tmp_path, other.name[:6]) == other
    with pytest.raises(UserError, match="'dimp' fits 2 cells; give one of: tweets dimp 0, tweets dimp 1"):
        find_cell(tmp_path, "dimp")
    with pytest.raises(
        UserError, match=r"no cell 'nothing' in .*; known: tweets ce 0, .*; `bench list cells` shows all"
    ):
        find_cell(tmp_path, "nothing")


def test_cells_of_one_title_are_told_apart(tmp_path: Path) -> None:
    """Their ids alone say nothing of which is which."""
    for number, preset in enumerate(["probe", "quick"]):
        cell = tmp_path / "files" / "dimp" / f"{number:020x}"
        cell.mkdir(parents=True)
        spec = {"task_ref": "tweets", "label": "dimp", "method": "dimp", "seed": 0, "preset": preset}
        (cell / "spec.json").write_text(json.dumps({**spec, "settings": {"lr": 1e-3 / (1 + number), "updates": 48}}))
    told = f"{0:020x} (preset probe, lr 0.001), {1:020x} (preset quick, lr 0.0005)"
    with pytest.raises(UserError, match=re.escape(f"'tweets dimp 0' fits 2 cells; give one of: {told}")):
        find_cell(tmp_path, "tweets dimp 0")


def test_a_cell_that_failed(tmp_path: Path) -> None:
    cell = tmp_path / "twitter" / "ce" / "0123456789abcdef0123"
    cell.mkdir(parents=True)
    (cell / "spec.json").write_text(json.dumps({"task_ref": "twitter", "label": "ce", "method": "ce", "seed": 0}))
    (cell / "error.json").write_text(json.dumps({"type": "MemoryError", "message": "too much"}))
    assert state(cell) is State.FAILED
    with pytest.raises(
        UserError, match=r"is failed \(MemoryError: too much\) and has no model; train it: .* --retry-failed"
    ):
        model_of("0123456789", tmp_path)


@pytest.mark.parametrize("failed", [False, True])
def test_a_head_on_embeddings_has_no_model_to_keep(failed: bool, tmp_path: Path) -> None:
    """The command that was named is one that `bench run` refuses."""
    cell = tmp_path / "twitter" / "ce" / "0123456789abcdef0123"
    cell.mkdir(parents=True)
    spec = {"task_ref": "twitter", "label": "ce", "method": "ce", "seed": 0, "preset": "probe"}
    (cell / "spec.json").write_text(json.dumps({**spec, "settings": {"train_layers": 0}}))
    if failed:
        (cell / "error.json").write_text(json.dumps({"type": "MemoryError", "message": "too much"}))
    with pytest.raises(UserError, match=r"\(train_layers=0, preset probe\), of which no model is kept") as error:
        model_of("0123456789", tmp_path)
    assert "python -m bench" not in str(error.value)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (
            "run --generated 'my train sweep weigh set.csv' --preset smoke",
            "run --generated 'my train sweep weigh set.csv' --preset smoke --methods 'dimp(clip=20)' --seed 3 "
            "--reports reports/one",
        ),
        ("run --seeds 5", "python -m bench run --methods 'dimp(clip=20)' --seed 3 --reports reports/one"),
        (
            "run --methods ce,dimp --tasks=a,b --seed 3,4 --baseline ce --set 'ce.smooth=1' --ce.x=2 --lr=1 "
            "--dimp.clip=20 --until-decided --max-seeds 9 --force --save-models best --no-figures",
            "python -m bench run --tasks=a,b --lr=1 --dimp.clip=20 --no-figures --methods 'dimp(clip=20)' --seed 3 "
            "--reports reports/one",
        ),
        ("run --config grid.yaml --force", "python -m bench run --config grid.yaml"),
        ("train --seeds 1", "python -m bench train --seeds 1"),
        (
            "weigh --seeds 1",
            "run, with the rows, methods and settings of `python -m bench weigh --seeds 1`, --save-models full",
        ),
    ],
)
def test_the_command_that_keeps_a_model(
    word: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of `weigh` had an option --save-models, which the command does not take; that of `run` trained all cells."""
    cell = tmp_path / "twitter" / "dimp" / "0123"
    cell.mkdir(parents=True)
    spec = {"task_ref": "twitter", "label": "dimp(clip=20)", "method": "dimp", "seed": 3}
    (cell / "spec.json").write_text(json.dumps(spec))
    grid = {
        "command": f"python -m bench {word}",
        "sections": [{"methods": [{"cells": {"3": "twitter/dimp/0123"}}]}],
    }
    (tmp_path / finding.GRIDS).mkdir()
    (tmp_path / finding.GRIDS / "a.json").write_text("{}")
    monkeypatch.setattr(finding, "grids", lambda root: [grid])
    kept = "" if word.startswith(("train", "weigh")) else " --save-models full"
    assert finding.keeping(cell, tmp_path).endswith(f"{expected}{kept}")


def test_an_encoder_that_was_moved_tells_no_cells_apart() -> None:
    specs = [{"encoder": f"/{n}/minilm", "encoder_hash": "ab12", "settings": {"lr": n}} for n in (1, 2)]
    assert finding.differences(specs) == ["lr 1", "lr 2"]
    specs[1]["encoder_hash"] = "other"
    assert finding.differences(specs) == ["encoder /1/minilm, lr 1", "encoder /2/minilm, lr 2"]


def test_the_newer_one_of_two_cells_on_edited_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing told the model of the corrected file from that of the old one."""
    for number, (rows, at) in enumerate([("cd" * 20, 2), ("ab" * 20, 1)]):
        cell = tmp_path / "files" / "score" / f"{number:020x}"
        cell.mkdir(parents=True)
        spec = {"task_ref": "tweets", "label": "score", "method": "score", "seed": 0}
        tables = {"column:score": rows, "quality": rows}
        data = {"scored": rows, "generated": rows, "test": "same"}
        (cell / "spec.json").write_text(json.dumps({**spec, "data": data, "artefacts": tables}))
        grid = {"command": "c", "references_missing": [], "schema": 1}
        section = {**SECTION, "methods": [{**METHOD, "cells": {"0": f"files/score/{cell.name}"}}]}
        monkeypatch.setattr(time, "time_ns", lambda at=at: at * 10**9)
        save({**grid, "sections": [section]}, tmp_path)
    times = [f"last run {datetime.fromtimestamp(at):%Y-%m-%d %H:%M:%S}" for at in (1, 2)]
    told = [f"generated rows trained on {word}, column score {word}" for word in ("abababab", "cdcdcdcd")]
    newest_last = f"{1:020x} ({told[0]}, {times[0]}), {0:020x} ({told[1]}, {times[1]})"
    with pytest.raises(UserError, match=re.escape(f"fits 2 cells; give one of: {newest_last}")):
        find_cell(tmp_path, "tweets score 0")
    lines = list(cells(tmp_path, failed=False))
    assert [line.partition("seed 0 ")[2] for line in lines] == [f"({told[k]}, {times[k]})" for k in (1, 0)]


def test_texts_alone_tell_cells_apart_that_train_on_none() -> None:
    specs = [{"data": {"scored": value, "real": "same"}} for value in ("ab", "cd")]
    assert finding.differences(specs) == ["scored rows ab", "scored rows cd"]
