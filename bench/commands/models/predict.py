"""`bench predict`: labels and probabilities for the texts of a file, by a saved model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands.models.labeller import load_labeller
from bench.commands.models.texts_file import AS_USUAL, OF_INPUT, Texts, read_texts
from bench.commands.output_file import check_columns, write_table
from bench.encoders.checkpoints import Checkpoint, find, outputs
from bench.errors import UserError
from bench.store.files import read_json, write_text
from tasks.errors import join_names, plural, short_repr
from tasks.reading import Reading

if TYPE_CHECKING:
    import pandas as pd

    from bench.arrays import FloatArray

POLARITY = {"negative": -1, "positive": 1, "-1": -1, "1": 1}


@dataclass(frozen=True, eq=False)
class Predictions:
    """The predictions of a file, and its labels if it has any."""

    frame: pd.DataFrame  # a row per text: id, label, a probability per label, and the file's other columns
    labels: Sequence[str]  # (C,) what the model predicts
    column: str | None  # the column of the file that has its labels
    given: Sequence[str | None]  # (n,) these labels by name, None for a row without one
    notes: tuple[str, ...]  # which rows were left out, and how many texts were cut

    def accuracy(self) -> Iterator[str]:
        """Lines on a file with labels: accuracy with its 95 % interval (Wilson), or why there is none."""
        from scipy.stats import binomtest

        if self.column is None:
            return
        known = [label for label in self.given if label is not None]
        foreign = sorted({label for label in known if label not in self.labels})
        if foreign or not known:
            others = f"has {short_repr(foreign[0])}" if foreign else "is empty"
            fix = "; --labels LABEL=NAME,... maps its labels" if foreign else ""
            yield f"no accuracy: column {self.column} {others}; the model predicts {join_names(self.labels)}{fix}"
            return
        right, count = sum(a == b for a, b in zip(self.given, self.frame["label"], strict=True)), len(known)
        interval = binomtest(right, count).proportion_ci(method="wilson")
        ((_, most),) = Counter(known).most_common(1)
        missing = len(self.frame) - count
        rest = f", without {plural(missing, 'row')} that {'has' if missing == 1 else 'have'} no label" * bool(missing)
        yield (
            f"accuracy {100 * right / count:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}]: {right:,} of "
            f"{plural(count, 'prediction')} equal the label in column {self.column}{rest}. Always answering its most "
            f"frequent label gives {100 * most / count:.1f} %. If the model was trained on these rows, the accuracy is "
            "too high"
        )


@dataclass(frozen=True)
class Target:
    """Where predictions are written: a table by the suffix of the path, or a submission."""

    path: Path | None = None
    as_submission: bool = False

    def check(self, labels: Sequence[str], texts: Texts) -> None:
        """Raise UserError for labels of a model, ids or columns of a file that the target cannot hold."""
        if self.as_submission:
            check_submission(labels, texts.ids)
        elif self.path is not None:
            check_columns(texts.columns, self.path)


ANYWHERE = Target()


def predict(model: Path | str, file: Path, reading: Reading = AS_USUAL, target: Target = ANYWHERE) -> Predictions:
    """The predictions of a model for the texts of a file, which is read as `reading` says.

    Raises UserError or DataError, before anything is predicted also for what cannot be written to the target.
    """
    checkpoint = find(str(model), "model")
    config = read_json(checkpoint.path / "config.json")
    labels = outputs(config, str(model))
    texts = read_texts(file, reading)
    check_inputs(config.get("inputs"), texts.second is not None, str(model), file)
    target.check(labels, texts)
    found, notes = classify(checkpoint, len(labels), texts)
    return predictions_of(texts, labels, found, notes)


def check_inputs(inputs: Any, pairs: bool, model: str, file: Path) -> None:
    """Raise UserError for single texts and a model of pairs, or the reverse, if the model says which it takes."""
    if inputs == ["text", "text_pair"] and not pairs:
        raise UserError(
            f"{model} was trained on pairs of texts, and {file} has one; --text and --text-pair name its columns"
        )
    if inputs == ["text"] and pairs:
        raise UserError(f"{model} was trained on single texts, and {file} has pairs; leave out the second column")


def classify(checkpoint: Checkpoint, n_classes: int, texts: Texts) -> tuple[FloatArray, list[str]]:
    """(n, C) probabilities, and notes on the texts. Raises UserError for a model that cannot classify them."""
    from bench.encoders.loading import first_line

    labeller = load_labeller(checkpoint, n_classes)
    try:
        found, unread = labeller.probabilities(texts.first, texts.second)
    except (RuntimeError, ValueError, TypeError, LookupError) as error:  # of a model that does not fit its tokenizer
        raise UserError(f"{checkpoint.title} fails on these texts ({first_line(error)})") from error
    what = "text" if texts.second is None else "pair"
    return found, labeller.notes(unread, ", the most that the model takes", what)


def predictions_of(texts: Texts, labels: Sequence[str], found: FloatArray, notes: Sequence[str]) -> Predictions:
    """The predictions as a table, from (n, C) probabilities."""
    import pandas as pd

    columns: dict[str, Any] = {"id": texts.ids, "label": [labels[k] for k in found.argmax(axis=1)]}
    columns |= {f"p_{label}": found[:, k] for k, label in enumerate(labels)}
    frame = pd.DataFrame(columns)
    names = free_names([*texts.columns], columns)
    own = {names[name]: cells for name, cells in texts.columns.items()}
    if own:
        frame = pd.concat([frame, pd.DataFrame(own, index=frame.index, dtype=object)], axis=1)
    return Predictions(frame, labels, texts.label, texts.labels, (*texts.notes, *notes))


def free_names(names: Sequence[str], taken: Mapping[str, object]) -> dict[str, str]:
    """New names for columns of a file: `_input` is put after one until no other column has it."""
    result: dict[str, str] = {}
    for name in names:
        new = name
        while new in taken or new in result.values() or (new != name and new in names):
            new += OF_INPUT
        result[name] = new
    return result


def check_submission(labels: Sequence[str], ids: Sequence[Any]) -> None:
    """Raise UserError for a model with other labels than negative and positive, or ids that are no whole numbers."""
    if foreign := [label for label in labels if label.casefold() not in POLARITY]:
        raise UserError(
            f"a submission has the labels negative and positive, and the model has {join_names(foreign)}; leave out "
            "--submission"
        )
    if odd := [identity for identity in ids if not re.fullmatch(r"\d+", str(identity))]:
        raise UserError(f"a submission has whole numbers as ids, not {odd[0]!r}; leave out --submission")


def submission(frame: pd.DataFrame) -> str:
    """The text of a submission: `Id,Prediction` with predictions -1 and 1, of what `check_submission` passes."""
    values = [POLARITY[str(label).casefold()] for label in frame["label"]]
    numbered = zip(frame["id"], values, strict=True)
    return "Id,Prediction\n" + "".join(f"{identity},{value}\n" for identity, value in numbered)


def write_predictions(predictions: Predictions, target: Target) -> Iterator[str]:
    """Write predictions to a target that has a path; yields lines on them and their accuracy."""
    assert target.path is not None, "predictions are written somewhere"
    yield from predictions.notes
    if target.as_submission:
        write_text(target.path, submission(predictions.frame))
    else:
        yield from write_table(predictions.frame, target.path)
    yield from predictions.accuracy()
