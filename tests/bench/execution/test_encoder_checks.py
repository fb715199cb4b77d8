"""Encoders and checkers are checked before anything trains: one line and exit 2, or a note wherever results are."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from bench.store.folders import State, state
from tests.bench.precomputed.test_external_scores import classifier
from tests.helpers.encoders import edited, make_gpt2, prefixed

Ran = subprocess.CompletedProcess[str]
WORDS = {"negative": ("awful queue", "feeling sick"), "positive": ("so happy", "love this")}
SIZES = {"generated": 24, "real": 24, "test": 20}
MINIMAL = ("--seeds", "1", "--preset", "smoke", "--workers", "1", "--no-figures")


@pytest.fixture
def run(bench: Callable[..., Ran], tmp_path: Path) -> Callable[..., Ran]:
    """`run(encoder, ...)`: one cell of `ce` on a few rows."""
    for role, size in SIZES.items():
        with (tmp_path / f"{role}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["text", "label"])
            rows.writerows([f"@user {WORDS[n][i % 2]} {role} {i}", n] for i in range(size // 2) for n in WORDS)
    places = [part for role in SIZES for part in (f"--{role}", f"{role}.csv")]

    def command(encoder: Path, *more: str, methods: str = "ce") -> Ran:
        return bench("run", *places, "--methods", methods, "--encoder", str(encoder), *MINIMAL, *more)

    return command


def assert_refused(ran: Ran, message: str, folder: Path) -> None:
    """One line and exit 2, and nothing trained."""
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not list(folder.glob("runs/files")), "nothing trained"


def cell(folder: Path) -> Path:
    """The only cell's folder."""
    (path,) = folder.glob("runs/files/ce/*/metrics.json")
    return path.parent


def checks(folder: Path) -> dict[str, int]:
    """Every check of an encoder that a store holds, with the time of its end."""
    return {str(path): path.stat().st_mtime_ns for path in folder.glob("runs/.artefacts/encoder/*/metrics.json")}


def test_weights_that_do_not_fit_are_refused_and_the_check_is_repeated_when_they_are_mended(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    broken = edited(tiny_encoder, tmp_path / "broken", intermediate_size=96)
    for _ in range(2):
        assert_refused(run(broken), "tensors are not in its weights", tmp_path)
    shutil.copy(tiny_encoder / "config.json", broken / "config.json")
    ran = run(broken)
    assert ran.returncode == 0, ran.stderr


def test_a_check_that_failed_for_another_reason_is_repeated(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    """The check's folder is named by the encoder's content: a failure must not stay for good."""
    assert run(tiny_encoder).returncode == 0
    (check,) = (Path(path).parent for path in checks(tmp_path))
    shutil.rmtree(tmp_path / "runs" / "files")
    (check / "metrics.json").unlink()
    (check / "error.json").write_text(json.dumps({"type": "OSError", "message": "no space left"}))
    assert state(check) is State.FAILED
    ran = run(tiny_encoder)
    assert ran.returncode == 0, ran.stderr


def test_a_prefix_is_said_everywhere_and_the_predictions_are_those_of_the_plain_encoder(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    note = "the prefix 'module.' of all names of tensors is left out"
    wrapped = edited(tiny_encoder, tmp_path / "wrapped", prefixed("module."))
    ran = run(wrapped)
    assert ran.returncode == 0, ran.stderr
    assert note in ran.stdout
    assert note in (tmp_path / "reports" / "leaderboard.md").read_text()
    (line,) = json.loads((cell(tmp_path) / "spec.json").read_text())["encoder_notes"]
    assert note in line
    predictions = pd.read_parquet(cell(tmp_path) / "predictions.parquet")

    before = checks(tmp_path)
    assert len(before) == 1
    shutil.rmtree(tmp_path / "runs" / "files")
    again = run(wrapped)
    assert checks(tmp_path) == before, "a check that was passed is not repeated"
    assert note in again.stdout
    assert "encoder_notes" in (cell(tmp_path) / "spec.json").read_text()

    shutil.rmtree(tmp_path / "runs")
    plain = run(tiny_encoder)
    assert note not in plain.stdout + (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "encoder_notes" not in (cell(tmp_path) / "spec.json").read_text()
    pd.testing.assert_frame_equal(predictions, pd.read_parquet(cell(tmp_path) / "predictions.parquet"))


def test_the_head_of_a_classifier_is_drawn_by_each_seed(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    trained = classifier(tmp_path / "classifier", tiny_encoder, ["positive", "negative"])
    ran = run(trained, "--seeds", "2", "--lr", "1e-12", "--save-models", "full")
    assert ran.returncode == 0, ran.stderr
    assert "is a classifier (positive, negative): each seed draws a new last layer instead of its own" in ran.stdout
    heads = [load_file(path)["classifier.weight"] for path in tmp_path.glob("runs/files/ce/*/model/model.safetensors")]
    own = load_file(trained / "model.safetensors")["classifier.weight"]
    assert len(heads) == 2
    for one, other in ((heads[0], heads[1]), (heads[0], own), (heads[1], own)):
        assert (one - other).abs().max() > 1e-3


def test_a_contrastive_term_trains_from_a_classifier(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    trained = classifier(tmp_path / "classifier", tiny_encoder, ["negative", "positive"])
    ran = run(trained, "--auxiliary", "simcse(weight=0.1,views=dropout)")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_quality_checker_without_its_head_is_refused(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    whole = classifier(tmp_path / "whole", tiny_encoder, ["negative", "positive"])
    headless = edited(
        whole, tmp_path / "headless", lambda weights: {k: v for k, v in weights.items() if "classifier" not in k}
    )
    ran = run(tiny_encoder, "--quality-checker", str(headless), methods="dimp")
    assert_refused(ran, "is not a whole classifier: its weights lack classifier", tmp_path)


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 43215\n", "it is a Git LFS pointer"),
        (b"<!DOCTYPE html><html></html>", "it is a web page"),
        (b"", "it is empty"),
    ],
    ids=["lfs", "html", "empty"],
)
def test_a_file_that_is_no_safetensors_is_refused(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path, content: bytes, kind: str, dry: tuple[str, ...]
) -> None:
    broken = shutil.copytree(tiny_encoder, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(content)
    assert_refused(run(broken, *dry), f"model.safetensors is not a safetensors file: {kind}", tmp_path)


def test_a_tokenizer_that_cannot_be_read_is_refused(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(tiny_encoder, tmp_path / "broken")
    (broken / "tokenizer.json").write_text("<!DOCTYPE html>")
    assert_refused(run(broken), "cannot be read (JSONDecodeError", tmp_path)


def test_a_tokenizer_without_words_is_refused(run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path) -> None:
    """transformers makes an empty tokenizer, and every word of every text was [UNK]."""
    broken = shutil.copytree(tiny_encoder, tmp_path / "broken")
    for name in ("tokenizer.json", "vocab.txt"):
        (broken / name).unlink(missing_ok=True)
    assert_refused(run(broken), "its tokenizer knows no word", tmp_path)


@pytest.mark.parametrize("weights", [True, False])
def test_an_adapter_is_refused(weights: bool, run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path) -> None:
    """The weights beside it were trained as if there were none."""
    adapted = shutil.copytree(tiny_encoder, tmp_path / "adapted")
    (adapted / "adapter_config.json").write_text("{}")
    if not weights:
        (adapted / "model.safetensors").unlink()
    assert_refused(run(adapted), "has an adapter of PEFT", tmp_path)


def test_weights_of_a_diverged_training_are_refused(
    run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    nan = edited(tiny_encoder, tmp_path / "nan", lambda weights: {k: v * float("nan") for k, v in weights.items()})
    assert_refused(run(nan), "has values that are NaN or infinite in bert.", tmp_path)


def test_tokens_without_embeddings_are_refused(run: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path) -> None:
    more = shutil.copytree(tiny_encoder, tmp_path / "more")
    tokenizer = AutoTokenizer.from_pretrained(more)
    tokenizer.add_tokens(["@user"])
    tokenizer.save_pretrained(more)
    assert_refused(run(more), "call model.resize_token_embeddings", tmp_path)


@pytest.mark.parametrize(
    ("tokenizer_pads", "file"), [(False, "tokenizer_config.json"), (True, "config.json")], ids=["tokenizer", "config"]
)
def test_an_encoder_without_a_padding_token_is_refused(
    run: Callable[..., Ran], tmp_path: Path, tokenizer_pads: bool, file: str
) -> None:
    encoder = make_gpt2(tmp_path / "gpt2", tokenizer_pads=tokenizer_pads)
    assert_refused(run(encoder, "--train-layers", "all"), f": {file} has no padding token", tmp_path)


def test_an_encoder_with_a_padding_token_trains(run: Callable[..., Ran], tmp_path: Path) -> None:
    encoder = make_gpt2(tmp_path / "gpt2", tokenizer_pads=True, pads=True)
    ran = run(encoder, "--train-layers", "all")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert torch.isfinite(torch.tensor(pd.read_parquet(cell(tmp_path) / "predictions.parquet")["logit_0"])).all()


def test_top_blocks_of_a_family_without_a_known_list_of_blocks_are_refused(
    run: Callable[..., Ran], tmp_path: Path
) -> None:
    """Every cell was blocked, and an empty leaderboard written."""
    encoder = make_gpt2(tmp_path / "gpt2", tokenizer_pads=True, pads=True)
    assert_refused(run(encoder, "--train-layers", "1"), "--set train_layers=all, or --preset full", tmp_path)
    assert not (tmp_path / "reports").exists() or not list((tmp_path / "reports").iterdir())


def test_clean_keeps_the_checks_of_a_grid(
    run: Callable[..., Ran], bench: Callable[..., Ran], tiny_encoder: Path, tmp_path: Path
) -> None:
    assert run(tiny_encoder).returncode == 0
    before = checks(tmp_path)
    cleaned = bench("clean", "--yes")
    assert cleaned.stdout.splitlines()[-1] == "nothing to remove", cleaned.stdout
    assert checks(tmp_path) == before != {}
