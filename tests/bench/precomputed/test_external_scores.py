"""Checkers that bench did not train: their classes are matched by name, and their scores are used as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from bench.encoders.checkpoints import find, outputs
from bench.errors import UserError
from bench.jobs import ScoresJob
from bench.planning.plan import Plan
from bench.planning.requirements import label_order
from bench.precomputed.tokens import load as load_tokens
from bench.store.layout import DONE
from tasks import load
from tests.helpers.encoders import make_encoder

KIND = {"architectures": ["BertForSequenceClassification"]}


def classifier(folder: Path, encoder: Path, names: list[str], **tokenizer: int) -> Path:
    """A classifier with a random head, as Hugging Face saves it, with a tokenizer of its own and entries of it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(1)
    named = dict(enumerate(names))
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder, id2label=named, label2id={name: k for k, name in named.items()}
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder, **tokenizer).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["negative", "positive"], (0, 1)),
        (["POSITIVE", " Negative"], (1, 0)),
        (["LABEL_0", "LABEL_1"], (0, 1)),
    ],
)
def test_outputs_are_matched_by_name(names: list[str], order: tuple[int, ...]) -> None:
    config = {**KIND, "id2label": {str(k): name for k, name in enumerate(names)}}
    assert label_order(outputs(config, "m"), ("negative", "positive"), "m") == order


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"architectures": ["BertModel"]}, "no classifier"),
        ({**KIND, "id2label": {"0": "a", "1": "b", "2": "c"}}, "3 classes"),
        ({**KIND, "id2label": {"0": "bad", "1": "good"}}, "bad, good"),
        ({**KIND, "id2label": {"0": "a", "2": "b"}}, "id2label"),
        ({**KIND, "id2label": True}, "id2label"),
        ({**KIND, "num_labels": 1}, "one output"),
        ({**KIND, "num_labels": "two"}, "num_labels"),
        ({**KIND, "num_labels": 10**25}, "num_labels"),
    ],
)
def test_other_classes_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        label_order(outputs(config, "m"), ("negative", "positive"), "m")


def test_weights_are_the_predictions_of_the_users_checker(
    run_here: Callable[..., Plan], tiny_encoder: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checker = classifier(tmp_path / "checker", tiny_encoder, ["positive", "negative"])
    plan = run_here(methods="quality-only", quality_checker=str(checker), seeds=1)
    assert sum(isinstance(job, ScoresJob) for job in plan.jobs.values()) == 1
    assert len(plan.cells) == sum(job.kind == "cell" for job in plan.jobs.values()), "no checker is trained"

    (identity,) = plan.cells
    folder = plan.jobs[identity].folder
    weights = pd.read_parquet(folder / "weights.parquet").set_index("id")["weight"]
    data = load("twitter", source="bundled").generated
    rows = data.take(np.searchsorted(data.ids, weights.index.to_numpy()))
    model = AutoModelForSequenceClassification.from_pretrained(checker).eval()
    encoded = AutoTokenizer.from_pretrained(checker)(
        rows.texts, padding=True, truncation=True, max_length=find(str(checker)).positions, return_tensors="pt"
    )
    with torch.inference_mode():
        probabilities = model(**encoded).logits.softmax(-1).numpy()
    expected = probabilities[np.arange(len(rows)), 1 - rows.labels]  # its outputs are in the other order
    np.testing.assert_allclose(weights.to_numpy(), expected, rtol=1e-4)
    assert "trained elsewhere" in " ".join(plan.sections[0]["notes"])


def test_another_checker_is_another_cell(run_here: Callable[..., Plan], tiny_encoder: Path, tmp_path: Path) -> None:
    checker = classifier(tmp_path / "checker", tiny_encoder, ["negative", "positive"])
    one = run_here(methods="quality-only", quality_checker=str(checker), seeds=1)
    weights = json.loads((checker / "config.json").read_text())
    (checker / "config.json").write_text(json.dumps({**weights, "id2label": {"0": "positive", "1": "negative"}}))
    other = run_here(methods="quality-only", quality_checker=str(checker), seeds=1)
    assert set(one.cells) != set(other.cells)


@pytest.mark.parametrize(("own", "read"), [(8, 8), (32, 32), (10**30, None)])
def test_a_given_checker_reads_texts_as_long_as_in_its_training(
    run_here: Callable[..., Plan], tiny_encoder: Path, tmp_path: Path, own: int, read: int | None
) -> None:
    """The cells read 32 tokens. A tokenizer without a limit leaves that of the model, its positions."""
    checker = classifier(tmp_path / "checker", tiny_encoder, ["negative", "positive"], model_max_length=own)
    read = read or find(str(checker)).positions
    plan = run_here(methods="quality-only", quality_checker=str(checker), seeds=1)
    (scores,) = (job for job in plan.jobs.values() if isinstance(job, ScoresJob))
    longest = max(load_tokens(scores.tokens).length)
    done = json.loads((scores.folder / DONE).read_text())
    assert (done["max_length"], done["truncated"] > 0) == (read, own == 8 or longest == read)
    assert longest <= read
    notes = " ".join(plan.sections[0]["notes"])
    assert (f"reads {read} tokens of a text" in notes) == (own != 32), "another length than that of the cells is said"


def test_nothing_of_a_given_checker_is_trained_so_its_blocks_may_be_fewer(
    run_here: Callable[..., Plan], tiny_encoder: Path, tmp_path: Path
) -> None:
    one_block = make_encoder(tmp_path / "one", "bert", layers=1)
    checker = classifier(tmp_path / "checker", one_block, ["negative", "positive"])
    plan = run_here(methods="quality-only", quality_checker=str(checker), settings={"train_layers": 2})
    assert len(plan.cells) == 1
