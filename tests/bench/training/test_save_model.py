"""`--save-models`: the saved model is the one that made the predictions, and no result depends on saving it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from bench.config.request import make_request
from bench.encoders.checkpoints import outputs
from bench.execution.prepare import model_problem
from bench.jobs import CellJob
from bench.planning.planner import make_plan
from bench.precomputed.tokens import load
from bench.store.files import read_json
from bench.store.folders import State, state
from bench.store.layout import MODEL
from tests.helpers.encoders import edited, make_encoder


def trained(
    root: Path, saved: str | None, encoder: Path, method: str = "ce", layers: str = "1", **options: object
) -> CellJob:
    """A cell trained here."""
    from bench.execution.worker import run_job

    request = make_request(
        methods=method,
        encoder=str(encoder),
        preset="smoke",
        seeds=1,
        settings={"train_layers": layers, "lr": "1e-2"},
        **options,  # type: ignore[arg-type]
    )
    plan = make_plan(request, root)
    for identity, job in plan.jobs.items():
        wanted = replace(job, keep=saved) if identity in plan.cells else job  # type: ignore[call-arg]
        outcome = run_job(wanted)
        assert outcome.state == "done", outcome.cause
    cell = plan.jobs[next(iter(plan.cells))]
    assert isinstance(cell, CellJob)
    return cell


@pytest.mark.posix
@pytest.mark.parametrize("saved", ["full", "trained"])
def test_whoever_reads_the_store_reads_the_weights(tmp_path: Path, tiny_encoder: Path, saved: str) -> None:
    """A colleague could read all of a shared store but the model."""
    folder = trained(tmp_path / "runs", saved, tiny_encoder).folder
    files = [*(folder / MODEL).iterdir()]
    assert any(file.suffix == ".safetensors" for file in files)
    assert {file.stat().st_mode for file in files} == {(folder / "spec.json").stat().st_mode}


@pytest.mark.parametrize(
    ("family", "layers"), [("bert", "1"), ("bert", "all"), ("distilbert", "1"), ("modernbert", "1")]
)
def test_a_full_model_gives_the_stored_logits(tmp_path: Path, family: str, layers: str) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    cell = trained(tmp_path / "runs", "full", make_encoder(tmp_path / "encoder", family), layers=layers)
    model = AutoModelForSequenceClassification.from_pretrained(cell.folder / MODEL).eval()
    assert model.config.id2label == dict(enumerate(cell.spec_json["labels"]))
    assert model.config.label2id == {name: i for i, name in enumerate(cell.spec_json["labels"])}
    stored = pd.read_parquet(cell.folder / "predictions.parquet").set_index("id")
    table = load(cell.test.tokens).take(cell.test.index)
    with torch.inference_mode():
        logits = model(**table.inputs(np.arange(len(table)))).logits.numpy()
    np.testing.assert_allclose(logits, stored.loc[cell.test.ids, ["logit_0", "logit_1"]].to_numpy(), atol=1e-4)
    assert np.ptp(logits) > 1e-2, "a model that learnt something"
    assert model.config.inputs == ["text"]
    tokenizer = AutoTokenizer.from_pretrained(cell.folder / MODEL)
    assert len(tokenizer("a text")["input_ids"]) > 2


def test_a_model_is_a_classifier_whatever_its_encoder_was(tmp_path: Path, tiny_encoder: Path) -> None:
    """A pipeline applied a sigmoid, and `predict` refused the model."""
    encoder = edited(tiny_encoder, tmp_path / "encoder", problem_type="multi_label_classification")
    cell = trained(tmp_path / "runs", "full", encoder)
    config = read_json(cell.folder / MODEL / "config.json")
    assert config["problem_type"] == "single_label_classification"
    assert outputs(config, "the model") == cell.spec_json["labels"]


@pytest.mark.parametrize("layers", ["1", "all"])
def test_a_model_without_token_types_takes_pairs_that_its_tokenizer_tells_by_types(
    tmp_path: Path, tiny_encoder: Path, layers: str
) -> None:
    """A RoBERTa with BERT's tokenizer: IndexError in every cell."""
    from transformers import pipeline

    encoder = edited(tiny_encoder, tmp_path / "encoder", one_type, type_vocab_size=1)
    words = {"same": ("so", "so"), "other": ("so", "not")}
    generated, real = (
        [{"text": f"{a} {day}", "text_pair": f"{b} {day}", "label": k} for day in days for k, (a, b) in words.items()]
        for days in (range(30), range(40, 70))
    )
    cell = trained(tmp_path / "runs", "full", encoder, layers=layers, generated=generated, real=real)
    assert (cell.test.tokens / "token_type_ids.npy").exists(), "tables are shared with encoders that have types"
    classify = pipeline("text-classification", str(cell.folder / MODEL), device="cpu")
    (found,) = classify([{"text": "so 1", "text_pair": "not 1"}])
    assert found["label"] in words


def one_type(weights: dict[str, Any]) -> dict[str, Any]:
    """Weights with the first token type alone."""
    return {name: value[:1] if "token_type" in name else value for name, value in weights.items()}


def test_the_trained_weights_are_those_of_the_full_model(tmp_path: Path, tiny_encoder: Path) -> None:
    full = trained(tmp_path / "a", "full", tiny_encoder)
    part = trained(tmp_path / "b", "trained", tiny_encoder)
    plain = trained(tmp_path / "c", None, tiny_encoder)
    assert full.spec.id == part.spec.id == plain.spec.id, "saving a model does not change the id"
    assert not (plain.folder / MODEL).exists()
    # The file of the whole model may have older names: transformers up to 5.5 writes LayerNorm.gamma.
    whole = AutoModelForSequenceClassification.from_pretrained(full.folder / MODEL).state_dict()
    own = load_file(part.folder / MODEL / "trained.safetensors")
    assert 0 < len(own) < len(whole)
    assert all(np.array_equal(whole[name], weight) for name, weight in own.items())
    content = json.loads((part.folder / MODEL / "encoder.json").read_text())
    assert content["encoder_hash"] == part.spec.encoder_hash
    assert content["labels"] == part.spec_json["labels"]


def test_a_removed_model_leaves_the_cell_done(tmp_path: Path, tiny_encoder: Path) -> None:
    cell = trained(tmp_path, "trained", tiny_encoder)
    for path in (cell.folder / MODEL).iterdir():
        path.unlink()
    (cell.folder / MODEL).rmdir()
    assert state(cell.folder) is State.DONE


def test_a_model_with_other_names_of_labels_is_said(tmp_path: Path, tiny_encoder: Path) -> None:
    """Names are in no id: the cell stays done, and its model predicts the old names."""
    cell = replace(trained(tmp_path, "full", tiny_encoder), keep="full")
    assert model_problem(cell) == ""
    renamed = replace(cell, spec_json={**cell.spec_json, "labels": ["bad", "good"]})
    assert model_problem(renamed) == "with a model of the labels negative, positive"
    assert model_problem(replace(renamed, keep=None)) == ""


def test_the_command_says_which_cells_have_no_model(
    bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, tiny_encoder: Path
) -> None:
    trained(tmp_path / "runs", None, tiny_encoder)
    grid = ("run", "--methods", "ce", "--seeds", "1", "--train_layers=1", "--lr=1e-2")
    again = bench(*grid, "--save-models", "full", tiny=True)
    assert again.returncode == 0, again.stderr
    assert "1 cell: 1 done before, 0 to do" in again.stdout
    assert "1 cell done before, without a model (--force trains again): twitter ce seed 0" in again.stdout
    forced = bench(*grid, "--save-models", "full", "--force", tiny=True)
    assert "without a model" not in forced.stdout
    assert list(tmp_path.glob("runs/twitter/ce/*/model/model.safetensors"))
