"""`WeightedTrainer`: the losses of the harness on fixed batches, checkers that it trains itself, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments
from transformers.modeling_outputs import SequenceClassifierOutput

from bench.errors import UserError
from bench.outside import WeightedTrainer
from bench.outside.numbered_rows import ROW
from bench.outside.weighted_trainer import labels_of
from methods import discover
from methods.base import DIVERSITY, QUALITY
from tests.helpers.encoders import make_bart, make_t5
from tests.helpers.losses import CLASSES, LABELS, READY, ROWS, SIZE, TABLES, UPDATES, harness

GENERATED = Dataset.from_dict({"input_ids": [[row] for row in range(ROWS)], "labels": LABELS.tolist()})
REAL = GENERATED.select(range(12))


class Table(nn.Module):
    """A model that is a table of logits: those of a row are a weight each."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.logits = nn.Embedding(ROWS, CLASSES)

    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Any:
        logits = self.logits(input_ids[:, 0])
        loss = nn.functional.cross_entropy(logits, labels) if labels is not None else None
        return SequenceClassifierOutput(loss=loss, logits=logits)


def arguments(folder: Path, **changes: Any) -> TrainingArguments:
    settings = {"max_steps": UPDATES, "per_device_train_batch_size": SIZE, "learning_rate": 0.1, "seed": 0}
    quiet = {"report_to": [], "use_cpu": True, "disable_tqdm": True, "save_strategy": "no"}
    return TrainingArguments(str(folder), **{**settings, **quiet, **changes})


def make(folder: Path, method: str = "dimp", **others: Any) -> WeightedTrainer:
    args = arguments(folder, **others.pop("changes", {}))
    tables = {"quality_checker": TABLES[QUALITY], "diversity_checker": TABLES[DIVERSITY].numpy()}
    return WeightedTrainer(Table(), args, method=method, **{"train_dataset": GENERATED, **tables, **others})


@pytest.mark.parametrize("method", READY)
def test_losses_and_gradients_are_those_of_the_harness(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    trainer = make(tmp_path, method)
    trainer.prepare()
    model = trainer.model.train()
    batches = [rng.choice(ROWS, SIZE, replace=False) for _ in range(UPDATES)]
    theirs = [model.logits.weight.detach()[batch].clone().requires_grad_() for batch in batches]
    for number, (batch, expected) in enumerate(zip(batches, harness(method, batches, theirs), strict=True)):
        trainer.state.global_step = number
        inputs = trainer.data_collator([trainer.train_dataset[row] for row in batch])
        assert inputs[ROW].tolist() == batch.tolist()
        loss = trainer.compute_loss(model, inputs)
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
        model.zero_grad()
        loss.backward()
        expected.backward()
        torch.testing.assert_close(model.logits.weight.grad[batch], theirs[number].grad, atol=1e-6, rtol=0)


def test_a_training_with_cross_entropy_is_that_of_transformers(tiny_encoder: Path, tmp_path: Path) -> None:
    """With dropout, an evaluation in between, and a last batch of another size."""
    rows = Dataset.from_dict(
        {"input_ids": [[2, *range(5, 7 + row % 3), 3] for row in range(20)], "labels": [row % 2 for row in range(20)]}
    )
    changes = {"max_steps": -1, "num_train_epochs": 2, "learning_rate": 1e-3}

    def trained(cls: type[Trainer], **others: Any) -> dict[str, Tensor]:
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=2)
        trainer = cls(
            model,
            arguments(tmp_path, eval_strategy="epoch", **changes),
            train_dataset=rows,
            eval_dataset=rows,
            processing_class=AutoTokenizer.from_pretrained(tiny_encoder),
            **others,
        )
        if isinstance(trainer, WeightedTrainer):
            assert trainer.updates == 6
        assert trainer.train().global_step == 6
        if isinstance(trainer, WeightedTrainer):
            assert trainer.row_weights().tolist() == [1.0] * 20
            assert trainer.visits.tolist() == [2] * 20
        return {name: weight.detach().clone() for name, weight in model.named_parameters()}

    plain, weighted = trained(Trainer), trained(WeightedTrainer, method="ce")
    for name, weight in plain.items():
        torch.testing.assert_close(weighted[name], weight, atol=1e-6, rtol=0)


def test_missing_checkers_are_trained_as_plain_trainers_are(tmp_path: Path) -> None:
    trainer = make(tmp_path, "imp", quality_checker=None, diversity_checker=None, real_dataset=REAL)
    trainer.train()
    for table, rows in ((QUALITY, REAL), (DIVERSITY, GENERATED)):
        checker = Trainer(Table(), arguments(tmp_path), train_dataset=rows)
        checker.train()
        expected = checker.model.logits.weight.detach().log_softmax(dim=1)
        torch.testing.assert_close(trainer.tables[table], expected, atol=1e-5, rtol=0)
    labels = torch.from_numpy(LABELS)[:, None]
    quality, diversity = (trainer.tables[name].gather(1, labels).squeeze(1) for name in (QUALITY, DIVERSITY))
    expected = (quality - diversity).exp().numpy()  # IMP's weights do not change during training
    seen = trainer.visits > 0
    assert seen.sum() == ROWS == UPDATES * SIZE
    assert trainer.row_weights() == pytest.approx(expected, rel=1e-5)


def test_a_checker_may_be_a_model(tmp_path: Path) -> None:
    checker = Table()
    trainer = make(tmp_path, quality_checker=checker)
    trainer.prepare()
    torch.testing.assert_close(trainer.tables[QUALITY], checker.logits.weight.detach().log_softmax(dim=1))


LONG = Dataset.from_dict({"input_ids": [[row] * (1 + row % 4) for row in range(ROWS)], "labels": LABELS.tolist()})


def padded(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    """A batch of rows of several lengths, with zeros behind the shorter ones."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": nn.utils.rnn.pad_sequence(ids, batch_first=True), "labels": labels}


@pytest.mark.parametrize(
    "changes",
    [
        {"train_sampling_strategy": "group_by_length"},
        {"dataloader_drop_last": True},
        {"eval_do_concat_batches": False},
        {"bf16_full_eval": True},
    ],
)
def test_checkers_score_all_rows_in_their_order(changes: dict[str, Any], tmp_path: Path) -> None:
    """By length, each row got the scores of another one; other arguments left out rows, or ended in a traceback."""
    checker = Table()
    changes = {"per_device_eval_batch_size": 7, **changes}
    rows = {"train_dataset": LONG, "eval_dataset": LONG, "data_collator": padded}
    trainer = make(tmp_path, quality_checker=checker, changes=changes, **rows)
    trainer.prepare()
    expected = checker.logits.weight.detach().log_softmax(dim=1)
    assert expected.dtype == torch.float32
    torch.testing.assert_close(trainer.tables[QUALITY], expected)
    trainer.train()
    assert trainer.args.dataloader_drop_last == changes.get("dataloader_drop_last", False)


def test_a_small_real_set_is_a_batch_also_where_the_last_batch_is_dropped(tmp_path: Path) -> None:
    """The checker got no batch, and the rows were weighted by a head that was never trained."""
    few = SIZE - 3
    changes = {"dataloader_drop_last": True, "eval_on_start": True}
    rows = {"real_dataset": REAL.select(range(few)), "eval_dataset": REAL}
    trainer = make(tmp_path, quality_checker=None, changes=changes, **rows)
    before = trainer.model.logits.weight.detach().log_softmax(dim=1)
    trainer.prepare()
    moved = (trainer.tables[QUALITY] - before).abs().amax(dim=1) > 0.1
    assert moved.tolist() == [row < few for row in range(ROWS)]


def classifier(encoder: Path, classes: int = CLASSES) -> Any:
    """A classifier of transformers."""
    return AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=classes)


TEXTS = Dataset.from_dict(
    {"input_ids": [[2, *range(5, 7 + row % 4), 3] for row in range(ROWS)], "labels": LABELS.tolist()}
)


def on_texts(encoder: Path, folder: Path, method: str = "imp", **others: Any) -> WeightedTrainer:
    """A trainer whose batches have rows of several lengths."""
    args = arguments(folder, max_steps=1, **others.pop("changes", {}))
    given = {"train_dataset": TEXTS, "real_dataset": TEXTS.select(range(len(TEXTS))), **others}
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    return WeightedTrainer(classifier(encoder), args, method=method, processing_class=tokenizer, **given)


@pytest.mark.parametrize("make_encoder", [make_bart, make_t5])
def test_checkers_may_have_several_outputs(make_encoder: Callable[[Path], Path], tmp_path: Path) -> None:
    """BART and T5 also return states, whose shapes differ from batch to batch."""
    trainer = on_texts(make_encoder(tmp_path / "encoder"), tmp_path)
    trainer.train()
    assert {name: table.shape for name, table in trainer.tables.items()} == {
        QUALITY: (ROWS, CLASSES),
        DIVERSITY: (ROWS, CLASSES),
    }


def test_checkers_predict_also_where_the_training_does_not(tiny_encoder: Path, tmp_path: Path) -> None:
    trainer = on_texts(tiny_encoder, tmp_path, "dimp", changes={"prediction_loss_only": True})
    trainer.train()
    assert trainer.tables[QUALITY].shape == (ROWS, CLASSES)
    assert trainer.args.prediction_loss_only


def test_checkers_with_other_classes_are_refused_before_anything_trains(tiny_encoder: Path, tmp_path: Path) -> None:
    two = torch.full((ROWS, 2), 0.5).log()
    for checker in (two, two.numpy(), classifier(tiny_encoder, 2)):
        with pytest.raises(UserError, match="diversity_checker has 2 classes, and the model 3"):
            on_texts(tiny_encoder, tmp_path, diversity_checker=checker)
    on_texts(tiny_encoder, tmp_path, "dimp", diversity_checker=two)  # not read


def test_accumulated_batches_are_one_update(tmp_path: Path) -> None:
    whole = make(tmp_path, "quality-only")
    parts = make(
        tmp_path,
        "quality-only",
        changes={"per_device_train_batch_size": SIZE // 2, "gradient_accumulation_steps": 2},
    )
    for trainer in (whole, parts):
        trainer.train()
    torch.testing.assert_close(whole.model.logits.weight, parts.model.logits.weight, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", [name for name in discover() if name not in READY])
def test_other_methods_are_refused_with_what_to_use(method: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"use bench\.outside\.WeightedTextClassifier"):
        make(tmp_path, method)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"real_dataset": GENERATED}, "train_dataset and real_dataset are the same rows"),
        ({"quality_checker": None}, "dimp needs a quality checker: give real_dataset=, or quality_checker="),
        ({"changes": {"label_smoothing_factor": 0.1}}, "leave out label_smoothing_factor"),
        ({"method": "ce,dimp"}, "names 2 methods"),
        ({"method": "dinp"}, "unknown method 'dinp'"),
        ({"method": "dimp(klip=2)"}, "unknown setting of dimp 'klip'"),
        ({"method": "dimp(average=ema)"}, "averages the weights of the model along the training; use bench.outside"),
    ],
)
def test_arguments_that_do_not_fit(others: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        make(tmp_path, **others)


@pytest.mark.parametrize(
    ("scores", "message"),
    [(TABLES[QUALITY][:5], r"\(40, C\), not \(5, 3\)"), (TABLES[QUALITY].exp(), "log-probabilities")],
)
def test_scores_that_are_none(scores: Tensor, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        make(tmp_path, quality_checker=scores)


def test_no_labels_and_no_resuming(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="have no labels, only input_ids"):
        WeightedTrainer(Table(), arguments(tmp_path), method="ce", train_dataset=GENERATED.remove_columns("labels"))
    with pytest.raises(UserError, match="cannot resume"):
        make(tmp_path, "ce").train(resume_from_checkpoint=True)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([-1, 1], r"has the label -1; the model has \d classes, whose labels are 0 to"),
        ([0, 7], r"has the label 7; the model has \d classes"),
        (["bad", "good"], "labels must be numbers of classes, from 0 on"),
        ([], "has no rows"),
    ],
)
@pytest.mark.parametrize("name", ["train_dataset", "real_dataset"])
def test_labels_that_the_model_does_not_have(name: str, labels: list[Any], message: str) -> None:
    """They ended in an error of torch in the middle of a training."""
    rows = Dataset.from_dict({"input_ids": [[0]] * len(labels), "labels": labels})
    with pytest.raises(UserError, match=f"{name}.*{message}"):
        labels_of(rows, 2, name)


def test_several_devices_are_refused(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    trainer.args = SimpleNamespace(world_size=2, n_gpu=0)
    with pytest.raises(UserError, match="on one device"):
        trainer._check()
