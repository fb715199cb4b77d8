"""`WeightedTextClassifier`: an estimator in the style of scikit-learn that trains by any method of the benchmark.

classifier = WeightedTextClassifier(method="dimp(clip=20)").fit(real, generated)
classifier.predict(["a text", "another"])
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from bench.arrays import Array, FloatArray
from bench.commands.models.labeller import Labeller
from bench.commands.models.weigh import settings_of
from bench.config.grid_arguments import GridArguments
from bench.config.request import Request, make_request
from bench.config.task_choice import TaskChoice
from bench.encoders.checkpoints import find
from bench.encoders.loading import load_classifier, load_tokenizer
from bench.errors import UserError, unknown
from bench.execution.grid import Options, run
from bench.execution.progress import Say
from bench.store.layout import MODEL
from tasks import FILES, Role, TaskData
from tasks.loading.labels import label_name
from tasks.loading.load import load_to_train
from tasks.sources.table import Table

UNREAD = ("source", "data_dir", "folds")  # arguments of `bench run` that a training without a test does not read


class TrainingRequest(Request):
    """A request whose task has no test rows: all real rows are the small real set."""

    def rows_now(self, task: TaskChoice) -> TaskData:
        """The rows of the task as they are now. Raises DataError."""
        return load_to_train(task.location, self.places, self.readings)


class WeightedTextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # of a library without types
    """A text classifier that is trained on generated rows by a weighting method, as a cell of `bench run` is.

    Parameters
    ----------
    method : an expression as in `bench run`, such as `dimp(clip=20)`. Checkers that it needs are trained too.
    encoder : the pretrained encoder, a folder or a hub id; None: the preset's.
    preset : training settings by name, as in `bench run`.
    settings : training settings that differ from the preset, such as `{"lr": 1e-4, "epochs": 3}`. Unless a size is
        given (`updates`, `epochs`, `generated_rows`) all generated rows are used, by quick and smoke in two passes.
    data : options of `bench run` on how the rows are read, such as `{"text": "tweet", "label": "mood"}`. There is no
        test, so none of the options on one.
    seed : of the head, the batches, the dropout masks and the method.
    store : a folder that keeps the trainings, so that the same one is never done twice; None: a temporary one.
    verbose : whether the lines of the run are printed.

    Attributes
    ----------
    classes_ : (C,) the labels, in the order of the columns of `predict_proba`.
    model_, tokenizer_ : the trained model and its tokenizer, of `transformers`.
    notes_ : lines on the rows, such as which labels were left out, how many texts were cut, and unknown tokens.
    """

    def __init__(
        self,
        method: str = "dimp",
        *,
        encoder: str | Path | None = None,
        preset: str = "quick",
        settings: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        seed: int = 0,
        store: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        self.method, self.encoder, self.preset, self.settings = method, encoder, preset, settings
        self.data, self.seed, self.store, self.verbose = data, seed, store, verbose

    def fit(self, real: Any, generated: Any) -> WeightedTextClassifier:
        """Train on the generated rows, with the real rows as the small real set.

        Each is `(texts, labels)`, a DataFrame, a `datasets.Dataset`, a list of dicts, a file, a folder or a hub id. A
        text is a str, or a pair of them. The training runs in a process of its own.

        Raises UserError or DataError before anything trains, and RuntimeError with the cause of a training that fails.
        """
        with self._folder() as folder:
            request = self._request(rows_of(real, "real"), rows_of(generated, "generated"))
            (task,) = request.tasks
            data = request.load(task)
            for finding in data.findings:
                warnings.warn(str(finding), stacklevel=2)
            options = Options(
                out=folder / "runs",
                reports=folder / "reports",
                figures=False,
                save_models="full",
                workers=1,
                retry_failed=True,
            )
            lines: list[str] = []
            say = print if self.verbose else lines.append
            model = trained(request, options, say)
            if not model.is_dir():  # in the store it was a checker, whose model is not kept
                model = trained(request, replace(options, force=True), say)
            self._load(model, data)
        roles: tuple[Role, ...] = ("generated", "real")  # the last one counts: labels to compare with are real ones
        self.classes_ = original_labels(
            data.spec.labels, *(as_given(request.places[role], data.columns[role].label) for role in roles)
        )
        self.notes_ = [*data.notes, *self._unread_notes(data)]
        return self

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """The folder of the trainings."""
        if self.store is not None:
            yield Path(self.store)
            return
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)

    def _request(self, real: Any, generated: Any) -> TrainingRequest:
        """The grid of one cell. Raises UserError or DataError."""
        settings = {} if self.settings is None else self.settings
        if isinstance(settings, Mapping):
            settings = settings_of(self.preset, dict(settings))
        own = {
            "methods": self.method,
            "tasks": FILES,
            "seeds": [self.seed],
            "encoder": self.encoder,
            "preset": self.preset,
            "settings": settings,
            "real": real,
            "generated": generated,
        }
        data = dict(self.data or {})
        names = [entry.name for entry in fields(GridArguments) if not entry.name.startswith("test")]
        known = [name for name in names if name not in {*own, *UNREAD, "seed"}]
        for key in data:
            if key not in known:
                raise unknown("option in data", key, known)
        request = make_request(**own, **data)
        if request.several:
            raise UserError(f"a classifier takes one {request.several}, not several separated by commas")
        if request.settings.train_layers == 0:
            raise UserError(
                "train_layers=0 (preset probe) trains a head on embeddings, which is no model of transformers; give "
                "another preset, or train_layers in settings"
            )
        return TrainingRequest(**{entry.name: getattr(request, entry.name) for entry in fields(Request)})

    def _load(self, folder: Path, data: TaskData) -> None:
        """Load the model that was trained."""
        checkpoint = find(str(folder), "model")
        self.model_ = load_classifier(checkpoint, len(data.spec.labels)).model
        self.tokenizer_ = load_tokenizer(checkpoint)
        self.positions_, self.pairs_ = checkpoint.positions, data.spec.pair

    def _unread_notes(self, data: TaskData) -> Iterator[str]:
        """Notes, which are warnings too, on what the training did not read of the texts of each role."""
        labeller = Labeller(self.model_, self.tokenizer_, self.positions_)
        for role, rows in (("generated", data.generated), ("real", data.pool)):
            unread = labeller.unread([rows.texts, *([rows.pairs] if rows.pairs else [])])
            for note in labeller.notes(unread, what=f"{role} text"):
                warnings.warn(f"{note}; max_length in settings and the encoder decide what is read", stacklevel=3)
                yield note

    def predict_proba(self, texts: Sequence[Any]) -> FloatArray:
        """(n, C) probabilities of the labels in the order of `classes_`. Warnings say what of the texts is not read.

        Raises UserError for texts of another kind.
        """
        check_is_fitted(self, "model_")
        # A list of a text has letters, and one of a table has the names of its columns.
        if isinstance(texts, str | Mapping | None) or hasattr(texts, "columns"):
            needed = (
                "pairs of texts, such as [*zip(frame['a'], frame['b'])]"
                if self.pairs_
                else "texts, such as frame['text']"
            )
            raise UserError(f"predict takes a list of {needed}, not a {type(texts).__name__}")
        texts = list(texts)
        for text in texts:
            pair = isinstance(text, tuple | list) and len(text) == 2
            if not (pair if self.pairs_ else isinstance(text, str)):
                needed = "pairs of texts" if self.pairs_ else "single texts"
                raise UserError(f"the classifier was trained on {needed}, not on {type(text).__name__}")
        if not texts:
            return np.zeros((0, len(self.classes_)))
        first = [text[0] for text in texts] if self.pairs_ else texts
        second = [text[1] for text in texts] if self.pairs_ else None
        labeller = Labeller(self.model_, self.tokenizer_, self.positions_)
        found, unread = labeller.probabilities(first, second)
        for note in labeller.notes(unread, ", as in the training"):
            warnings.warn(note, stacklevel=2)
        return found

    def predict(self, texts: Sequence[Any]) -> Array:
        """(n,) the most probable label of each text."""
        best = self.predict_proba(texts).argmax(axis=1)
        return np.asarray(self.classes_[best])


def trained(request: Request, options: Options, say: Say) -> Path:
    """The folder of the model of a grid of one cell. Raises RuntimeError with the cause if the training failed."""
    result = run(request, options, say)
    if result.interrupted:
        raise KeyboardInterrupt
    if not result.ok:
        raise RuntimeError(f"the training failed: {'; '.join(result.failures.values())}")
    (section,) = result.manifest["sections"]
    (cell,) = (path for method in section["methods"] for path in method["cells"].values())
    return result.store / str(cell) / MODEL


def rows_of(rows: Any, role: str) -> Any:
    """The rows of a role as `bench run` takes them; `(texts, labels)` become dicts. Raises UserError for others."""
    if not isinstance(rows, tuple):
        if isinstance(rows, str | Path | Mapping) or hasattr(rows, "columns") or hasattr(rows, "column_names"):
            return rows
        listed = list(rows) if isinstance(rows, Iterable) else [rows]
        if all(isinstance(row, Mapping) for row in listed):
            return listed
        raise UserError(
            f"fit takes two sets of rows, fit(real, generated), not texts and labels; the {role} rows may be (texts, "
            "labels), a DataFrame, a datasets.Dataset, a list of dicts or a file"
        )
    if len(rows) != 2:
        raise UserError(f"rows as a tuple are (texts, labels), not {len(rows)} parts")
    texts, labels = (list(part) for part in rows)
    if len(texts) != len(labels):
        raise UserError(f"there are {len(texts)} texts and {len(labels)} labels")
    pairs = bool(texts) and isinstance(texts[0], tuple | list)
    columns = [{"text": text[0], "text_pair": text[1]} if pairs else {"text": text} for text in texts]
    return [{**column, "label": number_of(label)} for column, label in zip(columns, labels, strict=True)]


def number_of(label: Any) -> Any:
    """The number in a tensor; any other label as it is."""
    return label.item() if hasattr(label, "item") and not isinstance(label, np.generic) else label


def as_given(rows: str | Table, column: str) -> Iterable[Any]:
    """The labels in a column of rows in memory as they were given. A file has none."""
    return rows.column(column) if isinstance(rows, Table) else ()


def original_labels(names: Sequence[str], *given: Iterable[Any]) -> Array:
    """(C,) the labels of rows in memory as they were given, by their names; a name where a label is only in a file."""
    # 1.0 is read as 1, because pandas turns 1 into 1.0 where a label is missing.
    known = {label_name(label, None): label for labels in given for label in labels}
    return np.array([known.get(name, name) for name in names])
