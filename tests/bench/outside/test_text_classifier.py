"""`WeightedTextClassifier` predicts what a cell with the same rows predicts, and behaves as estimators do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import tasks
from bench.commands.models.weigh import settings_of
from bench.errors import UserError
from bench.outside import WeightedTextClassifier
from bench.outside.text_classifier import original_labels, rows_of
from bench.planning.planner import make_plan
from bench.store.files import write_json
from tasks.loading.labels import label_name
from tasks.loading.load import NO_TEST
from tests.helpers.in_fork import workers_by_fork

DATA = tasks.load("twitter")
REAL, GENERATED, TEST = DATA.pool.take(np.arange(40)), DATA.generated.take(np.arange(64)), DATA.test.take(np.arange(40))
METHODS = ("dimp(clip=20)", "co-teaching", "real-only", "density-ratio")  # with a checker, phases, real rows, tables


def dicts(rows: tasks.Rows) -> list[dict[str, str]]:
    """The rows as `bench run` takes them."""
    return [
        {"text": text, "label": DATA.spec.labels[label]} for text, label in zip(rows.texts, rows.labels, strict=True)
    ]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trainings of the module."""
    return tmp_path_factory.mktemp("store")


def fitted(encoder: Path, store: Path, method: str = "dimp(clip=20)", **others: object) -> WeightedTextClassifier:
    classifier = WeightedTextClassifier(method, encoder=str(encoder), preset="smoke", store=store, **others)
    return classifier.fit(dicts(REAL), dicts(GENERATED))


@pytest.fixture(autouse=True)
def _fork(monkeypatch: pytest.MonkeyPatch) -> None:
    workers_by_fork(monkeypatch)


def test_predictions_are_those_of_cells(tiny_encoder: Path, store: Path, run_here: Callable[..., object]) -> None:
    plan = run_here(
        methods=",".join(METHODS),
        tasks=f"files[real={len(REAL)}]",
        real=dicts(REAL),
        generated=dicts(GENERATED),
        test=dicts(TEST),
        settings=settings_of("smoke", {}),
    )
    jobs = [plan.jobs[identity] for identity in plan.cells]
    for method, job in zip(METHODS, jobs, strict=True):
        logits = pd.read_parquet(job.folder / "predictions.parquet").filter(like="logit").to_numpy(np.float64)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        classifier = fitted(tiny_encoder, store, method)
        assert classifier.classes_.tolist() == list(job.spec_json["labels"])
        assert classifier.predict_proba(TEST.texts) == pytest.approx(expected, abs=1e-6), method
    assert len({str(job.spec.id) for job in jobs}) == len(METHODS)


def test_it_is_an_estimator(tiny_encoder: Path, store: Path) -> None:
    classifier = fitted(tiny_encoder, store)
    again = clone(classifier)
    assert again.get_params() == classifier.get_params()
    assert again.set_params(method="ce").method == "ce"
    with pytest.raises(Exception, match="not fitted"):
        again.predict(["a"])
    copied = pickle.loads(pickle.dumps(classifier))
    predicted = classifier.predict(TEST.texts)
    assert copied.predict(TEST.texts).tolist() == predicted.tolist()
    names = [DATA.spec.labels[label] for label in TEST.labels]
    assert classifier.score(TEST.texts, names) == float(np.mean(predicted == np.array(names)))
    assert classifier.predict_proba([]).shape == (0, 2)
    with pytest.raises(UserError, match="trained on single texts, not on tuple"):
        classifier.predict([("a", "b")])
    assert (store / "runs").is_dir()


def test_texts_that_are_cut_are_counted(tiny_encoder: Path, store: Path) -> None:
    """As `predict` does on the command line."""
    with pytest.warns(UserWarning, match="generated texts cut after 8 tokens; max_length in settings"):
        classifier = fitted(tiny_encoder, store, settings={"max_length": 8})
    assert [note.partition(" of ")[2] for note in classifier.notes_[-2:]] == [
        f"{len(GENERATED)} generated texts cut after 8 tokens",
        f"{len(REAL)} real texts cut after 8 tokens",
    ]
    with pytest.warns(UserWarning, match="^1 of 2 texts cut after 8 tokens, as in the training$"):
        classifier.predict(["so happy", "so happy today " * 3])
    with pytest.warns(
        UserWarning, match="^50% of the tokens of 2 texts are unknown to the model, which cannot tell them"
    ):
        classifier.predict(["a", "เปิด"])


def test_labels_stay_numbers_and_columns_are_named(tiny_encoder: Path, store: Path) -> None:
    """Texts and labels as two lists, and a DataFrame with names of its own; the rows and the training are the same."""
    given = fitted(tiny_encoder, store)
    numbered = clone(given).fit((REAL.texts, REAL.labels), (GENERATED.texts, GENERATED.labels))
    assert numbered.classes_.tolist() == [0, 1]
    assert numbered.score(TEST.texts, TEST.labels) == float(np.mean(numbered.predict(TEST.texts) == TEST.labels))
    floats = clone(given).fit((REAL.texts, REAL.labels * 1.0), (GENERATED.texts, GENERATED.labels * 1.0))
    assert floats.classes_.dtype == np.float64
    assert floats.score(TEST.texts, TEST.labels * 1.0) == numbered.score(TEST.texts, TEST.labels)
    frames = [pd.DataFrame(dicts(rows)).rename(columns={"text": "tweet"}) for rows in (REAL, GENERATED)]
    named = clone(given).set_params(data={"text": "tweet"}).fit(*frames)
    assert named.predict_proba(TEST.texts) == pytest.approx(given.predict_proba(TEST.texts), abs=1e-6)


@pytest.mark.parametrize("kind", [int, float, np.float64, bool, str])
def test_labels_are_predicted_as_they_were_given(kind: type) -> None:
    """pandas turns 1 into 1.0 where a label was missing; such labels were predicted as the text '1'."""
    given = [kind(label) for label in (0, 1)]
    names = [label_name(str(label), None) for label in given]
    assert names == (["False", "True"] if kind is bool else ["0", "1"])
    labels = original_labels([name for name in names if name is not None], given)
    assert labels.tolist() == given
    assert labels.dtype == np.array(given).dtype


@pytest.mark.parametrize("kind", ["frame", "dicts", "generator", "columns", "dataset"])
def test_labels_of_a_table_are_predicted_as_they_were_given(kind: str, tiny_encoder: Path, store: Path) -> None:
    """They were predicted as texts ('0' for 0), so that every comparison with the column was False."""
    from datasets import Dataset

    def table(rows: tasks.Rows) -> Any:
        frame = pd.DataFrame({"text": rows.texts, "mood": rows.labels, "class": "1"})
        columns = frame.to_dict("list")
        return {
            "frame": frame,
            "dicts": frame.to_dict("records"),
            "generator": iter(frame.to_dict("records")),
            "columns": columns,
            "dataset": Dataset.from_dict(columns),
        }[kind]

    classifier = WeightedTextClassifier("ce", encoder=str(tiny_encoder), preset="smoke", store=store)
    classifier.set_params(data={"label": "mood"}).fit(table(REAL), table(GENERATED))
    assert classifier.classes_.tolist() == [0, 1]
    assert np.isin(classifier.predict(TEST.texts), [0, 1]).all()


def loaded(real: Any, generated: Any, **settings: Any) -> tasks.TaskData:
    """The rows that a training would have."""
    request = WeightedTextClassifier("ce", **settings)._request(rows_of(real, "real"), rows_of(generated, "generated"))
    (task,) = request.tasks
    return request.load(task)


def test_the_settings_of_the_docstring() -> None:
    """They were an error: preset quick has `updates`, and nobody had set them to none."""
    classifier = WeightedTextClassifier("ce", settings={"lr": 1e-4, "epochs": 3})
    settings = classifier._request(dicts(REAL), dicts(GENERATED)).settings
    assert (settings.lr, settings.updates, settings.epochs) == (1e-4, None, 3)


NUMBERS = REAL.labels.tolist()


@pytest.mark.parametrize(
    "labels", [[None, *NUMBERS[1:]], pd.Series([pd.NA, *NUMBERS[1:]], dtype="Int64"), [np.nan, *NUMBERS[1:]]]
)
def test_a_label_that_is_missing_is_no_class(labels: Any) -> None:
    """None and pandas.NA were the classes `None` and `<NA>`."""
    given = (GENERATED.texts, GENERATED.labels)
    with pytest.raises(tasks.DataError, match=r"row 1: label is missing"):
        loaded((REAL.texts, labels), given)
    data = loaded((REAL.texts, labels), given, data={"skip_empty": True})
    assert (data.spec.labels, len(data.pool)) == (("0", "1"), len(REAL) - 1)
    assert original_labels(data.spec.labels, labels).tolist() == [0, 1]


def test_labels_of_a_tensor_are_numbers(tiny_encoder: Path, store: Path) -> None:
    """They were classes called `tensor(0)`."""
    import torch

    given = [(rows.texts, torch.tensor(rows.labels)) for rows in (REAL, GENERATED)]
    assert loaded(*given).spec.labels == ("0", "1")
    classifier = WeightedTextClassifier("ce", encoder=tiny_encoder, preset="smoke", store=store).fit(*given)
    assert classifier.classes_.tolist() == [0, 1]


def test_labels_are_predicted_as_the_real_rows_have_them(tiny_encoder: Path, store: Path) -> None:
    """Those of the generated rows decided, so that `score` failed on labels like the real ones."""
    classifier = WeightedTextClassifier("ce", encoder=str(tiny_encoder), preset="smoke", store=store)
    classifier.fit((REAL.texts, REAL.labels), (GENERATED.texts, [str(label) for label in GENERATED.labels]))
    assert classifier.classes_.tolist() == [0, 1]
    assert 0 <= classifier.score(TEST.texts, TEST.labels) <= 1


def test_copies_are_left_out_where_that_is_asked_for() -> None:
    """The option was taken and did nothing."""
    generated = [{**dicts(GENERATED)[0], "text": f"{REAL.texts[0]}!!"}, *dicts(GENERATED)[1:]]
    assert len(loaded(dicts(REAL), generated).generated) == len(GENERATED)
    data = loaded(dicts(REAL), generated, data={"drop_copies": True})
    assert len(data.generated) == len(GENERATED) - 1
    assert "left out 1 of 64 generated rows that repeat a real row, apart from punctuation" in data.notes[0]


def test_a_failure_is_tried_again(tiny_encoder: Path, tmp_path: Path) -> None:
    """After a full disk, each later `fit` raised its error."""
    classifier = WeightedTextClassifier("ce", encoder=str(tiny_encoder), preset="smoke", store=tmp_path)
    plan = make_plan(classifier._request(dicts(REAL), dicts(GENERATED)), tmp_path / "runs")
    (cell,) = plan.cells
    cause = "OSError: no space left on device"
    fields = {"cause": cause, "error": cause, "type": "OSError", "message": "no space left", "traceback": ""}
    write_json(plan.jobs[cell].folder / "error.json", fields)
    assert classifier.fit(dicts(REAL), dicts(GENERATED)).predict(TEST.texts[:2]).shape == (2,)


def test_no_result_on_the_real_rows_is_shown_as_one_of_a_test(tiny_encoder: Path, tmp_path: Path) -> None:
    """Reports and model cards had an accuracy on test rows, which were the rows that were trained on."""
    from bench.commands.models.export import export

    fitted(tiny_encoder, tmp_path, "real-only")
    assert NO_TEST[1:] in (tmp_path / "reports" / "leaderboard.md").read_text("utf-8")
    (model,) = (tmp_path / "runs").rglob("model")
    list(export(tmp_path / "runs", model.parent.name, tmp_path / "exported", None))
    card = (tmp_path / "exported" / "README.md").read_text("utf-8")
    assert f"- {NO_TEST}" in card
    assert "It was not tested" in card
    assert not [word for word in ("model-index", "Results", "accuracy", "| test |") if word in card]


def test_pairs_of_texts(tiny_encoder: Path, tmp_path: Path) -> None:
    pairs = [(text, text[::-1]) for text in GENERATED.texts]
    classifier = WeightedTextClassifier("ce", encoder=str(tiny_encoder), preset="smoke", store=tmp_path)
    classifier.fit((pairs[:40], GENERATED.labels[:40]), (pairs, GENERATED.labels))
    assert classifier.predict(pairs[:3]).shape == (3,)
    with pytest.raises(UserError, match="trained on pairs of texts, not on str"):
        classifier.predict(["a text"])


@pytest.mark.parametrize(
    ("settings", "real", "message"),
    [
        ({"method": "ce,dimp"}, None, "takes one method, not several"),
        ({"encoder": "one,other"}, None, "takes one encoder, not several"),
        (
            {},
            ["a text", "another"],
            r"^fit takes two sets of rows, fit\(real, generated\), not texts and labels; the real",
        ),
        ({}, pd.Series(["a text", "another"]), "not texts and labels"),
        ({}, np.array(["a text", "another"]), "not texts and labels"),
        ({}, ([1, 2], ["negative", "positive"]), r"text is 1 \(int\), not a string"),
        ({"method": "dinp"}, None, "unknown method 'dinp'"),
        ({"preset": "quik"}, None, "unknown preset 'quik'"),
        ({"settings": {"rl": 1}}, None, "unknown setting of preset smoke 'rl'"),
        ({"settings": ["lr=1e-4"]}, None, "settings takes a mapping"),
        ({"data": {"text": "tweet"}}, None, "tweet"),
        ({}, (["a"], [0, 1]), "there are 1 texts and 2 labels"),
        ({}, (["a"], [0], [1]), "not 3 parts"),
        ({"method": "score"}, None, "score"),
        ({"preset": "probe"}, None, r"^train_layers=0 \(preset probe\) trains a head"),
        (
            {"settings": {"train_layers": 0}},
            None,
            r"^train_layers=0 .* give another preset, or train_layers in settings",
        ),
        ({"data": {"real": 10}}, None, "unknown option in data 'real'"),
        ({"data": {"seed": 3}}, None, "unknown option in data 'seed'"),
        ({"data": {"test": dicts(TEST)}}, None, "unknown option in data 'test'"),
        ({"data": {"test_text": "tweet"}}, None, "unknown option in data 'test_text'"),
        ({"data": {"folds": 3}}, None, "unknown option in data 'folds'"),
        ({"data": {"source": "hub"}}, None, "unknown option in data 'source'"),
        ({"data": {"txet": "tweet"}}, None, "unknown option in data 'txet'; did you mean 'text'"),
    ],
)
def test_what_does_not_fit_is_said_before_training(
    settings: dict[str, object], real: object, message: str, tiny_encoder: Path, tmp_path: Path
) -> None:
    classifier = WeightedTextClassifier(encoder=str(tiny_encoder), preset="smoke", store=tmp_path)
    with pytest.raises((UserError, tasks.DataError), match=message):
        classifier.set_params(**settings).fit(dicts(REAL) if real is None else real, dicts(GENERATED))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("texts", ["a text", None, {"text": ["a"]}, pd.DataFrame({"text": ["a"], "other": ["b"]})])
def test_what_is_no_list_of_texts_is_refused(texts: object, pairs: bool) -> None:
    classifier = WeightedTextClassifier()
    classifier.model_, classifier.pairs_, classifier.classes_ = None, pairs, np.array(["no", "yes"])
    needed = "pairs of texts, such as" if pairs else r"texts, such as frame\['text'\]"
    with pytest.raises(UserError, match=f"predict takes a list of {needed}.*, not a {type(texts).__name__}$"):
        classifier.predict(texts)
    assert classifier.predict_proba(pd.Series([], dtype=str)).shape == (0, 2)
