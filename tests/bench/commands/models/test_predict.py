"""`bench predict` reads tables with a text and an id per row, or names the row that is wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench.commands.models.predict import accuracy, predict, submission, texts
from bench.errors import UserError
from tasks import DataError
from tests.bench.precomputed.test_external_scores import classifier
from tests.helpers.encoders import edited, make_encoder, make_gpt2, prefixed, word_pieces

NAMES = ["negative", "positive"]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_ids_and_texts_of_a_table(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [{"id": 7.0, "text": "a"}, {"id": 3, "text": "b"}])
    assert texts(path) == ([7, 3], ["a", "b"], None)
    assert texts(written(path, [{"text": "a"}, {"text": "b"}]))[0] == [1, 2]


@pytest.mark.parametrize("name", ["id", "Id", "ID", " id", "iD "])
def test_ids_are_found_in_any_case(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},text\n7,so happy\n9,awful queue\n")
    assert texts(path)[0] == ["7", "9"]


def test_the_plain_name_comes_before_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ID,text,id\n7,a,1\n9,b,2\n")
    assert texts(path)[0] == ["1", "2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "text": None}, "line 2: text is missing"),
        ({"id": 2, "text": ""}, "line 2: text is empty"),
        ({"id": 2, "text": 5}, "not a string"),
        ({"id": None, "text": "b"}, "line 2: id is missing"),
        ({"id": 1, "text": "b"}, "line 2: id 1 also belongs to an earlier row"),
    ],
)
def test_rows_that_cannot_be_labelled(row: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        texts(written(tmp_path / "a.jsonl", [{"id": 1, "text": "a"}, row]))


def test_a_submission_has_whole_numbers_as_ids() -> None:
    frame = pd.DataFrame({"id": ["a7", "b"], "label": ["negative", "positive"]})
    with pytest.raises(UserError, match="whole numbers as ids, not 'a7'"):
        submission(frame)
    assert submission(frame.assign(id=[7, 9])) == "Id,Prediction\n7,-1\n9,1\n"


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
    pd.testing.assert_frame_equal(*(predict(folder, tmp_path / "some.txt") for folder in (model, wrapped)))


def test_gpt2_with_padding_predicts_each_text_by_itself(model: Path, tmp_path: Path) -> None:
    """Its label is read at the last token that is no padding."""
    gpt2 = make_gpt2(tmp_path / "gpt2", classifier=True, tokenizer_pads=True, pads=True)
    (tmp_path / "one.txt").write_text("so happy\n")
    (tmp_path / "two.txt").write_text("so happy\nthis is a much longer text\n")
    one, two = (predict(gpt2, tmp_path / file)["p_LABEL_0"][0] for file in ("one.txt", "two.txt"))
    assert one == pytest.approx(two, abs=1e-6)


def test_xlnet_has_no_longest_text(model: Path, tmp_path: Path) -> None:
    from transformers import XLNetConfig, XLNetForSequenceClassification

    config = XLNetConfig(vocab_size=len(word_pieces()), d_model=32, n_layer=2, n_head=2, d_inner=64, pad_token_id=0)
    XLNetForSequenceClassification(config).save_pretrained(tmp_path / "xlnet")
    word_pieces().save_pretrained(tmp_path / "xlnet")
    (tmp_path / "some.txt").write_text("so happy\n" + "so happy today " * 200 + "\n")
    assert predict(tmp_path / "xlnet", tmp_path / "some.txt")["p_LABEL_0"].between(0.0, 1.0).all()


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
    shares = predict(folder, tmp_path / "some.txt").iloc[:, -1]
    assert shares[0] == pytest.approx(shares[1], abs=1e-6)


def test_the_accuracy_of_a_file_with_labels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    frame = pd.DataFrame({"id": [1, 2, 3, 4], "label": list("aabb"), "p_a": 0.5, "p_b": 0.5})
    low, high = proportion_confint(2, 3, method="wilson")
    (line,) = accuracy(frame.assign(Class=["a", None, "b", "a"]))
    assert line.startswith(f"accuracy 0.6667 [95 % {low:.4f} to {high:.4f}]: 2 of 3 rows agree with column Class")
    assert line.endswith(", without 1 row that has no label; its most frequent label alone has 0.6667")
    (line,) = accuracy(frame.assign(label_input=list("aabx")))
    assert line == "no accuracy: column label_input has 'x'; the model predicts a, b"
    assert list(accuracy(frame)) == []
