"""`bench predict` labels the texts of a file, or says in one line why it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from bench.commands.models.predict import Predictions, Target, free_names, predict, submission, write_predictions
from bench.commands.models.texts_file import Texts
from bench.errors import UserError
from tasks import DataError
from tasks.reading import Reading
from tests.bench.commands.models.test_texts_file import written
from tests.bench.precomputed.test_external_scores import classifier
from tests.conftest import ROOT
from tests.helpers.encoders import edited, make_encoder, make_gpt2, prefixed, word_pieces
from tests.helpers.in_process import command

NAMES = ["negative", "positive"]


def test_a_submission_is_numbers_and_signs() -> None:
    frame = pd.DataFrame({"id": [7, 9], "label": ["negative", "Positive"]})
    assert submission(frame) == "Id,Prediction\n7,-1\n9,1\n"


@pytest.mark.parametrize(
    ("labels", "file", "to", "message"),
    [
        (["good", "bad"], "some.txt", "s.csv --submission", "the model has good, bad; leave out --submission"),
        (["negative", "neutral", "positive"], "some.txt", "s.csv --submission", "the model has neutral"),
        (NAMES, "named.csv", "s.csv --submission", "whole numbers as ids, not 'a7'"),
        (NAMES, "mixed.jsonl", "s.parquet", "cannot be written as Parquet"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_predicted(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    labels: list[str],
    file: str,
    to: str,
    message: str,
) -> None:
    named = {str(k): name for k, name in enumerate(labels)}
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "id2label": named, "label2id": {}}))
    (tmp_path / "named.csv").write_text("id,text\na7,so happy\n")
    (tmp_path / "mixed.jsonl").write_text('{"text": "fine", "more": 1}\n{"text": "good", "more": "two"}\n')
    monkeypatch.setattr("bench.commands.models.predict.classify", lambda *_: pytest.fail("it predicts"))
    monkeypatch.chdir(tmp_path)
    code, _, error = command(capsys, "predict", str(model), file, "--to", *to.split())
    assert (code, message in error) == (2, True), error


@pytest.fixture
def model(tmp_path: Path, tiny_encoder: Path) -> Path:
    """A classifier of two classes, and beside it a file `some.txt` with texts."""
    (tmp_path / "some.txt").write_text("so happy\nawful queue\n")
    return classifier(tmp_path / "model", tiny_encoder, NAMES)


def without_head(folder: Path, target: Path) -> Path:
    return edited(folder, target, lambda weights: {k: v for k, v in weights.items() if "classifier" not in k})


def one_output(folder: Path, target: Path) -> Path:
    def cut(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {k: v[:1].clone() if "classifier" in k else v for k, v in weights.items()}

    return edited(folder, target, cut, id2label={"0": "LABEL_0"}, label2id={"LABEL_0": 0})


def with_more_tokens(folder: Path, target: Path) -> Path:
    tokenizer = word_pieces()
    tokenizer.add_tokens(["@user"])
    tokenizer.save_pretrained(edited(folder, target))
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_head, "is not a whole classifier: its weights lack classifier"),
        (one_output, "has one output, as models for regression have"),
        (lambda folder, target: edited(folder, target, problem_type="regression"), "is a model for regression"),
        (
            lambda folder, target: edited(folder, target, problem_type="multi_label_classification"),
            "is a model for multi_label_classification; needed: one label of several per text",
        ),
        (with_more_tokens, "call model.resize_token_embeddings"),
        (lambda _, target: make_gpt2(target, classifier=True), "tokenizer_config.json has no padding token"),
        (
            lambda _, target: make_gpt2(target, classifier=True, tokenizer_pads=True),
            ": config.json has no padding token",
        ),
    ],
    ids=["head", "one", "regression", "multi-label", "tokens", "gpt-tokenizer", "gpt-config"],
)
def test_a_model_that_gives_no_labels_is_refused(
    bench: Callable[..., subprocess.CompletedProcess[str]],
    model: Path,
    tmp_path: Path,
    change: Callable[[Path, Path], Path],
    message: str,
) -> None:
    ran = bench("predict", str(change(model, tmp_path / "changed")), "some.txt", "--to", "p.csv")
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "p.csv").exists()


def test_another_library_adds_no_lines_to_an_error(tmp_path: Path) -> None:
    """In a process of its own: in those of other tests, workers have silenced transformers."""
    make_gpt2(tmp_path / "gpt", classifier=True)
    line = [sys.executable, "-m", "bench", "predict", "gpt", "some.txt"]
    environment = {name: value for name, value in os.environ.items() if name != "TRANSFORMERS_VERBOSITY"}
    ran = subprocess.run(
        line, cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1, ran.stderr


@pytest.mark.parametrize(
    "names",
    [
        {"0": "negative", "2": "positive"},
        {"0": "same", "1": "same"},
        {"0": None, "1": "positive"},
        {"negative": 0, "positive": 1},
        ["negative", "positive"],
    ],
)
def test_names_of_outputs_are_one_for_each(model: Path, tmp_path: Path, names: object) -> None:
    changed = edited(model, tmp_path / "changed", id2label=names)
    with pytest.raises(UserError, match=r"must give each output 0, 1, .* a name of its own"):
        predict(changed, tmp_path / "some.txt")


@pytest.mark.parametrize("names", [{"0": "negative"}, {"0": "a", "1": "b", "2": "c"}])
def test_names_of_fewer_or_more_outputs_are_refused(model: Path, tmp_path: Path, names: object) -> None:
    changed = edited(model, tmp_path / "changed", id2label=names)
    with pytest.raises(UserError, match=r"has one output|is not a whole classifier"):
        predict(changed, tmp_path / "some.txt")


def test_a_wrapped_model_predicts_as_the_plain_one(model: Path, tmp_path: Path) -> None:
    wrapped = edited(model, tmp_path / "wrapped", prefixed("module."))
    pd.testing.assert_frame_equal(*(predict(folder, tmp_path / "some.txt").frame for folder in (model, wrapped)))


def test_gpt2_with_padding_predicts_each_text_by_itself(model: Path, tmp_path: Path) -> None:
    """Its label is read at the last token that is no padding."""
    gpt2 = make_gpt2(tmp_path / "gpt2", classifier=True, tokenizer_pads=True, pads=True)
    (tmp_path / "one.txt").write_text("so happy\n")
    (tmp_path / "two.txt").write_text("so happy\nthis is a much longer text\n")
    one, two = (predict(gpt2, tmp_path / file).frame["p_LABEL_0"][0] for file in ("one.txt", "two.txt"))
    assert one == pytest.approx(two, abs=1e-6)


def test_xlnet_has_no_longest_text(model: Path, tmp_path: Path) -> None:
    from transformers import XLNetConfig, XLNetForSequenceClassification

    config = XLNetConfig(vocab_size=len(word_pieces()), d_model=32, n_layer=2, n_head=2, d_inner=64, pad_token_id=0)
    XLNetForSequenceClassification(config).save_pretrained(tmp_path / "xlnet")
    word_pieces().save_pretrained(tmp_path / "xlnet")
    (tmp_path / "some.txt").write_text("so happy\n" + "so happy today " * 200 + "\n")
    assert predict(tmp_path / "xlnet", tmp_path / "some.txt").frame["p_LABEL_0"].between(0.0, 1.0).all()


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_a_long_text_is_cut_at_the_last_position(tmp_path: Path, family: str) -> None:
    """Also where the tokenizer states no length."""
    if family == "gpt2":
        folder = make_gpt2(tmp_path / "model", classifier=True, tokenizer_pads=True, pads=True)
    else:
        folder = classifier(tmp_path / "model", make_encoder(tmp_path / family, family), NAMES)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_max_length": 10**30}))
    (tmp_path / "some.txt").write_text("so happy today " * 200 + "\n" + "so happy today " * 400 + "\n")
    shares = predict(folder, tmp_path / "some.txt").frame.iloc[:, -1]
    assert shares[0] == pytest.approx(shares[1], abs=1e-6)


def labelled(labels: list[str | None]) -> Predictions:
    """Predictions a, a, b, b of rows with these labels."""
    from bench.commands.models.predict import predictions_of

    texts = Texts([1, 2, 3, 4], list("wxyz"), columns={"Class": labels}, label="Class", labels=labels)
    return predictions_of(texts, ["a", "b"], np.eye(2)[[0, 0, 1, 1]], ())


def test_the_accuracy_of_a_file_with_labels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(2, 3, method="wilson")
    (line,) = labelled(["a", None, "b", "a"]).accuracy()
    assert line.startswith(
        f"accuracy 66.7 % [{100 * low:.1f}, {100 * high:.1f}]: 2 of 3 predictions equal the label in column Class"
    )
    assert ", without 1 row that has no label. Always answering its most frequent label gives 66.7 %. If" in line
    assert line.endswith("If the model was trained on these rows, the accuracy is too high")
    (line,) = labelled([*"aabx"]).accuracy()
    assert line == (
        "no accuracy: column Class has 'x'; the model predicts a, b; --labels LABEL=NAME,... maps its labels"
    )
    (line,) = labelled([None] * 4).accuracy()
    assert line == "no accuracy: column Class is empty; the model predicts a, b"
    assert list(replace(labelled([*"aabb"]), column=None).accuracy()) == []


def test_columns_and_labels_are_named_as_in_run(model: Path, tmp_path: Path) -> None:
    """Rows whose columns had names of their own could be trained on, but not predicted."""
    path = tmp_path / "own.csv"
    path.write_text("Words,mood,text\nso happy,1.0,x\nawful queue,0,y\n  ,1,z\nfine,,u\n")
    reading = Reading({"text": "Words", "label": "mood"}, {"1": "positive", "0": "negative"}, skip_empty=True)
    found = predict(model, path, reading)
    assert found.frame["id"].tolist() == [1, 2, 4], "rows keep their numbers"
    assert list(found.given) == ["positive", "negative", None]
    assert found.column == "mood"
    assert found.notes == ("1 of 4 rows without a text: left out",)
    with pytest.raises(DataError, match=r"own.csv, row 3: Words is empty; --skip-empty leaves such rows out"):
        predict(model, path, replace(reading, skip_empty=False))
    with pytest.raises(DataError, match=r"no column 'wrds'.*did you mean 'Words'.*; --text names the column"):
        predict(model, path, Reading({"text": "wrds"}))
    (tmp_path / "none.csv").write_text("Words\na\n")
    with pytest.raises(
        DataError, match=r"no text column .* columns: Words \(if these are .*\); --text COLUMN names it"
    ):
        predict(model, tmp_path / "none.csv")


def test_no_column_of_the_file_is_lost() -> None:
    """A file that predictions were added to once has label_input already, which was replaced."""
    assert free_names(["label", "text", "label_input"], {"id": 0, "label": 0}) == {
        "label": "label_input_input",
        "text": "text",
        "label_input": "label_input",
    }
    assert free_names(["p_a", "p_a_input"], {"p_a": 0, "p_a_input": 0}) == {
        "p_a": "p_a_input_input",
        "p_a_input": "p_a_input_input_input",
    }


def test_the_label_of_the_file_stays_that_after_two_predictions(model: Path, tmp_path: Path) -> None:
    (tmp_path / "once.csv").write_text("id,label,p_negative,label_input,text\n1,negative,0.5,positive,so happy\n")
    found = predict(model, tmp_path / "once.csv")
    assert (found.column, list(found.given)) == ("label_input", ["positive"])
    assert found.frame["label_input_input"].tolist() == ["negative"]


def test_a_column_of_the_file_is_named_as_there(model: Path, tmp_path: Path) -> None:
    """It was named as in the file of predictions, where `label` is taken."""
    (tmp_path / "rows.csv").write_text("text,label\nso happy,bad\n")
    (line,) = predict(model, tmp_path / "rows.csv").accuracy()
    assert line.startswith("no accuracy: column label has 'bad'; ")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_predictions_are_written_by_the_suffix(model: Path, tmp_path: Path, suffix: str) -> None:
    """Any name got CSV."""
    found = predict(model, written(tmp_path / "a.jsonl", [{"text": "=so happy", "n": 1}, {"text": "@late", "n": 2}]))
    lines = list(write_predictions(found, Target(path := tmp_path / "new" / "folder" / f"p{suffix}")))
    reader = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda path: pd.read_json(path, lines=True)}
    frame = reader[suffix](path)
    assert frame["p_positive"].tolist() == pytest.approx(found.frame["p_positive"].tolist(), abs=1e-9)
    escaped = "2 texts look like formulas to a spreadsheet and got an apostrophe (') in front"
    assert frame["text"].tolist() == (["'=so happy", "'@late"] if suffix == ".csv" else ["=so happy", "@late"])
    assert [line.split(";")[0] for line in lines] == ([escaped] if suffix == ".csv" else [])


def test_json_lines_hold_the_columns_of_the_file_as_they_are(model: Path, tmp_path: Path) -> None:
    """Dates became milliseconds and small numbers 0.0; bytes were a traceback after everything was predicted."""
    frame = pd.DataFrame(
        {"text": ["a", "b"], "at": [pd.Timestamp("2024-01-01 09:30"), pd.NaT], "share": [1e-12, np.nan]}
    )
    frame.assign(raw=[b"\xff", None], many=[[1e-12], [2.0]]).to_parquet(tmp_path / "a.parquet")
    list(write_predictions(predict(model, tmp_path / "a.parquet"), Target(path := tmp_path / "p.jsonl")))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    names = ("at", "share", "raw", "many")
    assert [rows[0][name] for name in names] == ["2024-01-01 09:30:00", 1e-12, str(b"\xff"), [1e-12]]
    assert [rows[1][name] for name in names] == [None, None, None, [2.0]]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_half_a_character_in_a_column_is_written(model: Path, tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "fine", "more": "\\ud83d"}\n')
    list(write_predictions(predict(model, tmp_path / "a.jsonl"), Target(path := tmp_path / f"p{suffix}")))
    assert r"\ud83d" in path.read_text()


def test_a_column_that_parquet_cannot_hold_is_named(model: Path, tmp_path: Path) -> None:
    found = predict(model, written(tmp_path / "a.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "two"}]))
    with pytest.raises(
        UserError, match=r"cannot be written as Parquet .* column n .*; a .jsonl file holds any columns"
    ):
        list(write_predictions(found, Target(tmp_path / "p.parquet")))
    assert not list(tmp_path.glob("p.parquet*"))


@pytest.mark.parametrize(
    ("to", "message"),
    [("some.txt", "would be replaced"), ("p.xlsx", "must end in"), ("a.jsonl", "would be replaced")],
)
def test_a_file_that_is_read_is_not_replaced(
    to: str, message: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.jsonl", [{"text": "a"}])
    code, _, error = command(capsys, "predict", str(model), "a.jsonl" if to == "a.jsonl" else "some.txt", "--to", to)
    assert (code, message in error) == (2, True), error


def test_texts_that_are_cut_are_counted(model: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("so happy\n" + "so happy today " * 100 + "\n")
    assert predict(model, tmp_path / "long.txt").notes == (
        "1 of 2 texts cut after 128 tokens, the most that the model takes",
    )
    assert predict(model, tmp_path / "some.txt").notes == ()


def test_texts_that_the_model_does_not_know_are_said(model: Path, tmp_path: Path) -> None:
    """All of them get the same label."""
    (tmp_path / "thai.txt").write_text("เปิด\nประเทศ\n")
    assert predict(model, tmp_path / "thai.txt").notes == (
        "100% of the tokens of 2 texts are unknown to the model, which cannot tell them apart",
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_has_the_probabilities_that_it_has_alone(side: str, tmp_path: Path) -> None:
    """With padding before it, GPT-2 numbers its tokens from a later position on: other texts of a batch counted."""
    folder = make_gpt2(tmp_path / "gpt2", classifier=True, tokenizer_pads=True, pads=True)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "padding_side": side}))
    texts = ["so happy", "this is a much longer text than the first", "late", "so happy"]
    (tmp_path / "all.txt").write_text("\n".join(texts) + "\n")
    together = predict(folder, tmp_path / "all.txt").frame["p_LABEL_0"]
    for text, share in zip(texts, together, strict=True):
        (tmp_path / "one.txt").write_text(text + "\n")
        assert predict(folder, tmp_path / "one.txt").frame["p_LABEL_0"][0] == pytest.approx(share, abs=1e-6)


def test_a_tokenizer_without_words_is_refused(model: Path, tmp_path: Path) -> None:
    """transformers makes an empty one where only tokenizer_config.json is there, and each word is [UNK] to it."""
    for name in ("tokenizer.json", "vocab.txt"):
        (model / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="its tokenizer knows no word, so its vocabulary is missing"):
        predict(model, tmp_path / "some.txt")


def test_an_adapter_is_refused(model: Path, tmp_path: Path) -> None:
    """The weights beside it were used alone."""
    (model / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"has an adapter of PEFT .* merge it into its model"):
        predict(model, tmp_path / "some.txt")


@pytest.mark.parametrize("types", [0, 1])
def test_a_model_that_fails_on_texts_is_one_line(model: Path, tmp_path: Path, types: int) -> None:
    """Without an embedding of the first text it fails; it needs none of the second, though its tokenizer numbers it."""

    def fewer(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {k: v[:types].clone() if "token_type" in k else v for k, v in weights.items()}

    changed = edited(model, tmp_path / "changed", fewer, type_vocab_size=types)
    pairs = written(tmp_path / "pairs.jsonl", [{"text": "a", "text_pair": "b"}])
    if types:
        assert len(predict(changed, pairs).frame) == 1
    else:
        with pytest.raises(UserError, match=r"fails on these texts \(RuntimeError: "):
            predict(changed, pairs)
