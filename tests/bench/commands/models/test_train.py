"""The authors' workflow: train a quality checker, train DIMP with it, write a submission; predict any file."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from bench.commands.data.init import SWEEPS
from bench.commands.models.train import BEST, keep, merged, request_of, train
from bench.config.recipe_file import read
from bench.errors import UserError
from bench.execution.grid import Options, Result
from bench.store.files import read_json, write_json
from tasks import DataError
from tasks.sources import thinning
from tests.bench.precomputed.test_external_scores import classifier
from tests.helpers import in_process
from tests.helpers.rows import bundled_rows
from tests.helpers.stopped import half_copied

Command = Callable[..., subprocess.CompletedProcess[str]]
SMALL = {"max_train_samples": 40, "num_train_epochs": 1, "max_seq_length": 16}


def rows(role: Literal["generated", "pool"]) -> list[dict[str, object]]:
    """Bundled tweets in the layout of the project: sentence1, label -1 or 1, id."""
    polarity = {"negative": -1, "positive": 1}
    return [
        {"sentence1": row["text"], "label": polarity[row["label"]], "id": i}
        for i, row in enumerate(bundled_rows("twitter", role))
    ]


@pytest.fixture
def project(tmp_path: Path, tiny_encoder: Path) -> Path:
    """Its files: training, validation and test rows, and two configurations."""
    generated, real = rows("generated"), rows("pool")
    rng = np.random.default_rng(0)
    parts = {"train": rng.permutation(generated)[:80], "val": rng.permutation(real)[:240]}
    for name, part in parts.items():
        (tmp_path / f"{name}.json").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    (tmp_path / "test_data.txt").write_text("1,so happy, really\n2,this is awful\n3,fine\n", encoding="utf-8")
    shared = {
        "model_name_or_path": str(tiny_encoder),
        "validation_file": "val.json",
        "max_seq_length": 32,
        "per_device_train_batch_size": 16,
        "learning_rate": "1e-3",
        "num_train_epochs": 1,
        "pad_to_max_length": True,
    }
    checker = {**shared, "train_file": "train.json", "save_model": True, "output_dir": "checker"}
    dimp = {
        **shared,
        "train_file": "train.json",
        "test_file": "test_data.txt",
        "problem_type": "single_label_classification_myloss_v2",
        "twomodelloss_wandb_model2": "checker/model",
        "do_predict": True,
        "load_best_model_at_end": True,
        "metric_for_best_model": "accuracy",
        "output_dir": "dimp",
    }
    (tmp_path / "checker.json").write_text(json.dumps(checker), encoding="utf-8")
    (tmp_path / "dimp.json").write_text(json.dumps(dimp), encoding="utf-8")
    return tmp_path


@pytest.fixture
def model(tmp_path: Path, tiny_encoder: Path) -> Path:
    """A classifier of the labels of the project."""
    return classifier(tmp_path / "model", tiny_encoder, ["-1", "1"])


def test_two_steps_and_a_submission(bench: Command, project: Path) -> None:
    first = bench("train", "checker.json")
    assert first.returncode == 0, first.stdout + first.stderr
    assert first.stdout.count("ignored, since they change no result: pad_to_max_length") == 1
    config = json.loads((project / "checker" / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "-1", "1": "1"}

    second = bench("train", "dimp.json")
    assert second.returncode == 0, second.stdout + second.stderr
    lines = (project / "dimp" / "test_submission.txt").read_text().splitlines()
    assert lines[0] == "Id,Prediction"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]
    assert {line.split(",")[1] for line in lines[1:]} <= {"-1", "1"}
    results = json.loads((project / "dimp" / "results.json").read_text())
    (cell,) = (project / "runs").rglob(results["cell"])
    spec = json.loads((cell / "spec.json").read_text())
    assert (spec["method"], spec["protocol"], spec["seed"]) == ("dimp", "paper-select", 42)
    assert not list((project / "runs" / ".artefacts").glob("checker/*")), "no other checker is trained"

    again = bench("train", "dimp.json")
    assert "1 done before" in again.stdout, "what is done is not trained again"

    other = bench("predict", "checker/model", "val.json", "--to", "out.csv")
    assert other.returncode == 0, other.stderr
    frame = pd.read_csv(project / "out.csv")
    assert list(frame) == ["id", "label", "p_-1", "p_1", "sentence1", "label_input"]
    np.testing.assert_allclose(frame[["p_-1", "p_1"]].sum(axis=1), 1.0, rtol=1e-6)
    assert (frame["label"] == np.where(frame["p_1"] > frame["p_-1"], 1, -1)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rat": 1}, "learning_rate"),
        ({"train_file": "nothing.json"}, "nothing.json"),
        ({"validation_file": None}, "no validation_file"),
        ({"twomodelloss_wandb_model2": "wandb:a/b/c:v0"}, "WANDB_MODE=offline"),
        ({"do_predict": True, "test_file": None}, "no test_file"),
        ({"do_train": False, "do_eval": True, "do_predict": False}, "so there is nothing to do; do_predict predicts"),
        ({"problem_type": None, "method": "ce,focal"}, "one training, and it names several of method"),
        ({"model_name_or_path": "one,other"}, "one training, and it names several of encoder"),
        ({"output_dir": "val.json"}, "val.json is a file, not a folder"),
    ],
)
def test_bad_configurations_train_nothing(
    change: dict[str, object], message: str, bench: Command, project: Path
) -> None:
    values = json.loads((project / "dimp.json").read_text())
    values["twomodelloss_wandb_model2"] = None
    (project / "bad.json").write_text(json.dumps({**values, **change}), encoding="utf-8")
    ran = bench("train", "bad.json")
    assert ran.returncode == 2, ran.stdout
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (project / "runs").exists()
    assert not (project / "dimp").exists()


def test_predict_says_what_is_no_classifier(bench: Command, project: Path, tiny_encoder: Path) -> None:
    ran = bench("predict", str(tiny_encoder), "val.json")
    assert ran.returncode == 2
    assert "no classifier" in ran.stderr
    for place, message in ((".", "--to . is a folder"), ("val.json/x.csv", "is a file, not a folder")):
        nowhere = bench("predict", str(tiny_encoder), "val.json", "--to", place)
        assert (nowhere.returncode, message in nowhere.stderr) == (2, True), nowhere.stderr
    missing = bench("predict", "/no/such/folder", "val.json")
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: model '/no/such/folder' is neither a folder nor a hub id")
    assert not (project / "predictions.csv").exists()


def test_what_is_no_model_is_not_replaced_by_one(bench: Command, project: Path) -> None:
    (project / "checker" / "model").mkdir(parents=True)
    (project / "checker" / "model" / "notes.txt").write_text("mine")
    ran = bench("train", "checker.json")
    assert ran.returncode == 2, ran.stdout
    assert "checker/model exists and holds no model" in ran.stderr
    assert sorted(path.name for path in (project / "checker").rglob("*")) == ["model", "notes.txt"]
    assert not (project / "runs").exists()


def test_a_model_that_is_copied_replaces_the_former_one_or_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped copy left some of its files, and the same command was refused: no model to be replaced."""
    cell, output = tmp_path / "runs" / "task" / "ce" / "x", tmp_path / "output"
    write_json(cell / "metrics.json", {"accuracy": 1.0, "macro_f1": 1.0, "log_loss": 0.0, "rows": 1})
    write_json(cell / "model" / "config.json", {"new": 1})
    write_json(output / "model" / "config.json", {"new": 0})
    result = Result({"sections": [{"methods": [{"cells": {"0": "task/ce/x"}}]}]}, tmp_path / "runs")
    recipe: Any = SimpleNamespace(output=output, method="ce", save_model=True)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", half_copied)
        with pytest.raises(KeyboardInterrupt):
            keep(result, recipe, print)
    assert [*map(read_json, output.glob("model/*"))] == [{"new": 0}]
    keep(result, recipe, print)
    assert sorted(path.name for path in output.rglob("*")) == ["config.json", "model", "results.json"]
    assert read_json(output / "model" / "config.json") == {"new": 1}


def test_an_interrupted_training_has_the_exit_code_of_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was 1, something failed."""
    stopped = Result({}, project / "runs", failures={"cell": "not trained yet"}, interrupted=True)
    monkeypatch.setattr("bench.commands.models.train.run", lambda *_: stopped)
    monkeypatch.chdir(project)
    code, _, error = in_process.command(capsys, "train", "checker.json")
    assert (code, error) == (130, "interrupted; the same command continues from here\n")


def test_the_packaged_configuration_runs_in_an_empty_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_encoder: Path
) -> None:
    """The real one with fewer rows and a tiny encoder: only these two keys differ."""
    values = json.loads((SWEEPS / "recipes" / BEST).read_text("utf-8"))
    write_json(tmp_path / "packaged" / "recipes" / BEST, {**values, "model_name_or_path": str(tiny_encoder), **SMALL})
    monkeypatch.setattr("bench.commands.models.train.SWEEPS", tmp_path / "packaged")
    monkeypatch.chdir(tmp_path)
    lines: list[str] = []
    assert train(None, Options(workers=1, figures=False), lines.append)
    assert f"no configuration is given: {tmp_path / 'packaged' / 'recipes' / BEST}" in lines
    submission = (tmp_path / "output" / "test_submission.txt").read_text("utf-8").splitlines()
    texts = (SWEEPS / "recipes" / "test_data.txt").read_text("utf-8").splitlines()
    assert submission[0] == "Id,Prediction"
    assert len(submission) == 1 + len(texts)
    assert read_json(tmp_path / "output" / "results.json")["rows"] > 0
    assert (tmp_path / "output" / "model" / "model.safetensors").is_file()


def test_step_two_before_step_one(bench: Command, project: Path) -> None:
    for checker in ("checker", "checker/model"):
        values = {**json.loads((project / "dimp.json").read_text()), "twomodelloss_wandb_model2": checker}
        write_json(project / "second.json", values)
        ran = bench("train", "second.json")
        assert ran.returncode == 2
        message = f"the quality checker {checker} is not there; train it first: python -m bench train checker.json"
        assert ran.stderr == f"error: {message}\n"
    assert not (project / "runs").exists()


def test_further_test_files_and_the_folder_of_step_one(bench: Command, project: Path) -> None:
    assert bench("train", "checker.json").returncode == 0
    (project / "more").mkdir()
    (project / "more" / "a.csv").write_text("text\nso sad\n", encoding="utf-8")
    values = json.loads((project / "dimp.json").read_text())
    tests = {"test_file": ["test_data.txt", "val.json"], "wandb_generalization_dataset": "more"}
    write_json(project / "dimp.json", {**values, **tests, "twomodelloss_wandb_model2": "checker"})
    ran = bench("train", "dimp.json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(pd.read_csv(project / "dimp" / "predictions_1.csv")) == 240
    assert len(pd.read_csv(project / "dimp" / "predictions_2.csv")) == 1
    assert "predictions of more/a.csv: dimp/predictions_2.csv" in ran.stdout
    assert "predictions equal the label in column label" in ran.stdout, "a further file with labels is evaluated"


def test_predicting_without_a_training(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took settings of a training without a word, evaluated nothing, and predicted in a dry run too."""
    monkeypatch.chdir(project)
    values = {"model_name_or_path": str(model), "do_train": False, "do_predict": True, "test_file": "val.json"}
    write_json(project / "only.json", {**values, "max_seq_length": 4, "output_dir": "only"})
    lines: list[str] = []
    assert train(Path("only.json"), Options(workers=1, dry_run=True), lines.append)
    assert not (project / "only").exists()
    assert train(Path("only.json"), Options(workers=1), lines.append)
    text = "\n".join(lines)
    assert "nothing is trained: settings such as max_seq_length are not read" in text
    assert "240 predictions equal the label in column label" in text
    assert len(pd.read_csv(project / "only" / "predictions.csv")) == 240


def test_a_checker_that_no_method_reads_is_said(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was ignored, and the report said that it was used."""
    from bench.execution.dry_run import data_lines
    from bench.planning.planner import make_plan

    monkeypatch.chdir(project)
    for problem_type, wanted in (("single_label_classification", True), ("single_label_classification_dimp", False)):
        values = json.loads((project / "dimp.json").read_text())
        values |= {"twomodelloss_wandb_model2": str(model), "problem_type": problem_type, "test_file": None}
        write_json(project / "checked.json", {**values, "do_predict": False})
        plan = make_plan(request_of(read(Path("checked.json")), Path("runs"), print), Path("runs"))
        said = "warning: no method of this grid reads the given quality checker" in data_lines(plan)
        noted = "quality checker: model, read by no method here" in plan.sections[0]["notes"]
        assert (said, noted) == (wanted, wanted), problem_type


def test_merged_files_keep_the_meaning_of_their_numbers(tmp_path: Path) -> None:
    """The cards beside them were lost, so that classes of the second file were exchanged."""
    for folder, order in (("a", ["bad", "good"]), ("b", ["good", "bad"])):
        (tmp_path / folder).mkdir()
        write_json(tmp_path / folder / "dataset.json", {"label_names": order})
        (tmp_path / folder / "rows.csv").write_text(f"text,label\n{folder} bad,{order.index('bad')}\n")
    place = merged(f"{tmp_path / 'a' / 'rows.csv'},{tmp_path / 'b' / 'rows.csv'}", "generated", tmp_path, print)
    assert [json.loads(line)["label"] for line in Path(place).read_text().splitlines()] == ["bad", "bad"]
    (tmp_path / "b" / "rows.csv").write_text("text,label\nb bad,2\n")
    with pytest.raises(DataError, match=r"b/rows\.csv, row 1: label 2 has no name"):
        merged(f"{tmp_path / 'a' / 'rows.csv'},{tmp_path / 'b' / 'rows.csv'}", "generated", tmp_path, print)


def test_a_sample_of_merged_files_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "BUDGET", 4_000)
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "some words,good\n" * 100)
    said: list[str] = []
    place = merged(f"{tmp_path / 'a.csv'},{tmp_path / 'b.csv'}", "generated", tmp_path, said.append)
    assert ["a.csv, which" in said[0], "b.csv, which" in said[1]] == [True, True]
    assert sum(int(line.split()[2]) for line in said) == len(Path(place).read_text().splitlines()) < 200


def test_merged_files_may_have_dates(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a"], "label": ["good"], "at": [pd.Timestamp("2024-05-01")]})
    for name in ("a", "b"):
        frame.to_parquet(tmp_path / f"{name}.parquet")
    place = merged(f"{tmp_path / 'a.parquet'},{tmp_path / 'b.parquet'}", "generated", tmp_path, print)
    assert pd.to_datetime(pd.read_json(place, lines=True)["at"]).dt.day.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"train_file": "mine/generated.jsonl", "augmented_train_file": "train.json"}, "mine/generated.jsonl"),
        ({"train_file": "mine", "augmented_train_file": "train.json"}, "mine"),
        ({"test_file": ["test_data.txt", "mine/predictions_1.csv"]}, "mine/predictions_1.csv"),
        ({"test_file": "mine/predictions.csv"}, "mine/predictions.csv"),
        ({"validation_file": "mine/results.json"}, "mine/results.json"),
    ],
)
def test_no_file_that_is_read_is_replaced(
    change: dict[str, object], target: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command merged the rows into one of its inputs again, also a dry run."""
    monkeypatch.chdir(project)
    Path("mine").mkdir()
    for name in ("generated.jsonl", "predictions.csv", "predictions_1.csv", "results.json"):
        Path("mine", name).write_text("mine")
    values = json.loads(Path("dimp.json").read_text())
    write_json(Path("own.json"), {**values, "twomodelloss_wandb_model2": None, "output_dir": "mine", **change})
    with pytest.raises(UserError, match=f"^{target} is read, and this command would write there; choose another"):
        train(Path("own.json"), Options(workers=1, dry_run=True), print)
    assert {path.read_text() for path in Path("mine").iterdir()} == {"mine"}


def test_a_folder_of_test_rows_is_the_test(project: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was said to have no labels, and was neither tested on nor predicted."""
    monkeypatch.chdir(project)
    Path("tests").mkdir()
    lines = Path("val.json").read_text().splitlines(keepends=True)
    Path("tests", "test.jsonl").write_text("".join(lines[:60]))
    Path("val.json").write_text("".join(lines[60:]))
    values = json.loads(Path("checker.json").read_text())
    write_json(Path("own.json"), {**values, "test_file": "tests", "do_predict": True})
    said: list[str] = []
    assert train(Path("own.json"), Options(workers=1, dry_run=True), said.append)
    assert not [line for line in said if "no labels" in line]
    request = request_of(read(Path("own.json")), Path("runs"), print)
    assert len(request.load(request.tasks[0]).test) == 60
    only = {"model_name_or_path": str(model), "do_train": False, "do_predict": True, "test_file": "tests"}
    write_json(Path("only.json"), {**only, "output_dir": "only"})
    assert train(Path("only.json"), Options(workers=1), said.append)
    assert len(pd.read_csv("only/predictions.csv")) == 60


def test_columns_of_other_names(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels in an unusual column were no labels, and the remedy was an option that `bench train` does not have."""
    monkeypatch.chdir(project)
    values = {**json.loads(Path("checker.json").read_text()), "test_file": "test.jsonl"}
    test = [{"text": row["sentence1"], "Polarity": row["label"]} for row in rows("pool")[-20:]]
    Path("test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in test))
    write_json(Path("own.json"), values)
    said: list[str] = []
    assert train(Path("own.json"), Options(workers=1, dry_run=True), said.append)
    (line,) = [line for line in said if "is predicted" in line]
    assert line.startswith("test.jsonl has no column of labels (usual names: label, ")
    assert "columns: text, Polarity): it is predicted" in line
    for where in ("train_file", "test_file"):
        odd = [{"Words": row["sentence1"], "label": row["label"]} for row in rows("generated")[:80]]
        Path("odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in odd))
        write_json(Path("own.json"), {**values, "test_file": "val.json", "do_predict": True, where: "odd.jsonl"})
        with pytest.raises(DataError, match=r"no text column .*columns: Words, label; change the file") as error:
            train(Path("own.json"), Options(workers=1, dry_run=True), print)
        assert "--" not in str(error.value)


def test_a_training_starts_from_the_output_folder_of_another(
    project: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a checker and a model to predict with may be named."""
    monkeypatch.chdir(project)
    shutil.copytree(model, project / "first" / "model")
    values = json.loads((project / "checker.json").read_text())
    write_json(project / "second.json", {**values, "model_name_or_path": "first"})
    assert request_of(read(Path("second.json")), Path("runs"), print).encoders == ("first/model",)
