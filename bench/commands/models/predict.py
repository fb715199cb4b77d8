"""`bench predict`: labels and probabilities for the texts of a file, by a saved model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import devices
from bench.encoders.checkpoints import Checkpoint, find, outputs
from bench.errors import UserError
from bench.spreadsheets import csv_of
from bench.store.files import read_json, write_text
from tasks import FILES, load_spec
from tasks.errors import join_names, plural, short_repr
from tasks.loading.checks import checked_texts
from tasks.loading.columns import LABELS, texts_of
from tasks.sources.course import numbered_lines
from tasks.sources.files import READERS, read_table
from tasks.sources.table import Table

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from bench.arrays import IntArray

COURSE_TEST = "test_data.txt"
OF_INPUT = "_input"  # after the name of a column of the file that a column of predictions has too
UNLIMITED = 10**9  # tokens: tokenizers that know no limit state a larger number
NUMBERED = re.compile(r"(\d+),(.*)", re.DOTALL)  # id,tweet, as in the test file of the course
POLARITY = {"negative": -1, "positive": 1, "-1": -1, "1": 1}


def predict(model: Path | str, file: Path) -> pd.DataFrame:
    """One row per text: id, label, a probability per label, and the file's other columns.

    A column of the file that is named as one of the first three has `_input` after its name.
    Raises UserError or DataError.
    """
    checkpoint = find(str(model), "model")
    config = read_json(checkpoint.path / "config.json")
    labels = outputs(config, str(model))
    table = read_table(file) if file.suffix.lower() in READERS else None
    ids, first, second = lines(file) if table is None else texts_in(table)
    check_inputs(config.get("inputs"), second is not None, str(model), file)
    found = classify(checkpoint, len(labels), first, second)
    import pandas as pd

    frame = pd.DataFrame({"id": ids, "label": [labels[k] for k in found.argmax(axis=1)]})
    for k, label in enumerate(labels):
        frame[f"p_{label}"] = found[:, k]
    columns = {} if table is None else {key: cells for key, cells in table.columns.items() if key != id_column(table)}
    own = {f"{name}{OF_INPUT}" if name in frame else name: cells for name, cells in columns.items()}
    return pd.concat([frame, pd.DataFrame(own, index=frame.index, dtype=object)], axis=1) if own else frame


def check_inputs(inputs: Any, pairs: bool, model: str, file: Path) -> None:
    """Raise UserError for single texts and a model of pairs, or the reverse, if the model says which it takes."""
    if inputs == ["text", "text_pair"] and not pairs:
        raise UserError(
            f"{model} was trained on pairs of texts, and {file} has one; name its columns text and text_pair"
        )
    if inputs == ["text"] and pairs:
        raise UserError(f"{model} was trained on single texts, and {file} has pairs; leave out the second column")


def accuracy(frame: pd.DataFrame) -> Iterator[str]:
    """Lines on predictions of a file with labels: accuracy with its 95 % interval (Wilson), or why there is none."""
    from scipy.stats import binomtest

    columns = [name for name in map(str, frame) if name != "label"]
    known = {name.removesuffix(OF_INPUT).strip().lower(): name for name in reversed(columns)}
    column = next((known[name] for name in LABELS if name in known), None)
    if column is None:
        return
    names = {name.removeprefix("p_") for name in map(str, frame) if name.startswith("p_")}
    given = frame[column].map(lambda cell: None if cell is None or cell != cell else str(cell).strip())
    labelled = given.notna() & (given != "")
    foreign = sorted(set(given[labelled]) - names)
    if foreign or not labelled.any():
        others = f"has {short_repr(foreign[0])}" if foreign else "is empty"
        yield f"no accuracy: column {column} {others}; the model predicts {join_names(sorted(names))}"
        return
    right = int((given[labelled] == frame["label"][labelled]).sum())
    count = int(labelled.sum())
    interval = binomtest(right, count).proportion_ci(method="wilson")
    guess = given[labelled].value_counts().iloc[0] / count
    missing = len(frame) - count
    rest = f", without {plural(missing, 'row')} that {'has' if missing == 1 else 'have'} no label" if missing else ""
    yield (
        f"accuracy {right / count:.4f} [95 % {interval.low:.4f} to {interval.high:.4f}]: {right:,} of "
        f"{plural(count, 'row')} agree with column {column}{rest}; its most frequent label alone has {guess:.4f}"
    )


def texts(file: Path) -> tuple[list[Any], list[str], list[str] | None]:
    """Ids (1, 2, ... if the file has none), texts and, for pairs, second texts. Raises UserError or DataError."""
    return texts_in(read_table(file)) if file.suffix.lower() in READERS else lines(file)


def texts_in(table: Table) -> tuple[list[Any], list[str], list[str] | None]:
    """The same of a table."""
    text, pair = texts_of(table, load_spec(FILES), None)
    first = checked_texts(table, text)
    second = checked_texts(table, pair) if pair else None
    return identities(table), first, second


def id_column(table: Table) -> str | None:
    """The column of ids in any case, as columns of texts and labels are; `id` itself comes first."""
    names = (name for name in table.columns if name.strip().lower() == "id")
    return min(names, key=lambda name: name != "id", default=None)


def identities(table: Table) -> list[Any]:
    """The ids of a table; 1, 2, ... if it has none. Raises DataError for an id that is missing or occurs twice."""
    name = id_column(table)
    if name is None:
        return list(range(1, len(table) + 1))
    seen = set()
    values = table.column(name)
    ids = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    for row, value in enumerate(ids):
        if value is None or value != value or value == "":
            table.fail(row, "id is missing")
        if value in seen:
            table.fail(row, f"id {value} also belongs to an earlier row")
        seen.add(value)
    return ids


def lines(file: Path) -> tuple[list[Any], list[str], None]:
    """One text per line. If every line is `id,text`, the ids are split off. Raises UserError or DataError."""
    course = file.name == COURSE_TEST
    rows = [line for _, line in numbered_lines(file, whole=course)]
    if not any(line.strip() for line in rows):
        raise UserError(f"{file} holds no texts")
    matches = [NUMBERED.fullmatch(line) for line in rows]
    numbered = [(int(match[1]), match[2]) for match in matches if match]
    if not course and len(numbered) <= len(rows) / 2:
        return list(range(1, len(rows) + 1)), rows, None
    if len(numbered) < len(rows):
        number = matches.index(None) + 1
        raise UserError(f"{file}, line {number}: {rows[number - 1][:40]!r} is not id,text like the other lines")
    ids, texts = [identity for identity, _ in numbered], [text for _, text in numbered]
    if len(set(ids)) < len(ids):
        twice = next(identity for identity, count in Counter(ids).items() if count > 1)
        raise UserError(f"{file}: the id {twice} is on several lines")
    return ids, texts, None


def classify(checkpoint: Checkpoint, n_classes: int, texts: list[str], pairs: list[str] | None) -> np.ndarray[Any, Any]:
    """(n, C) probabilities. Raises UserError for a model whose weights or tokenizer do not fit."""
    from bench.encoders.loading import check_tokenizer, load_classifier, load_tokenizer

    model = load_classifier(checkpoint, n_classes).model
    tokenizer = load_tokenizer(checkpoint)
    check_tokenizer(checkpoint.name, model, tokenizer)
    return probabilities(model, tokenizer, checkpoint.positions, texts, pairs)


def probabilities(
    model: Any, tokenizer: Any, positions: int | None, texts: Sequence[str], pairs: Sequence[str] | None
) -> np.ndarray[Any, Any]:
    """(n, C) probabilities by a model in memory. Texts are cut to the tokenizer's limit, or to `positions` tokens."""
    from bench.precomputed.inference import BATCH, batched, in_order
    from bench.precomputed.tokens import by_length

    device = devices.available()
    model.to(device)
    known = [length for length in (tokenizer.model_max_length, positions) if length and length < UNLIMITED]
    limit = min(known, default=None)

    def inputs(index: IntArray) -> dict[str, Tensor]:
        columns = [[column[i] for i in index] for column in (texts, pairs) if column]
        return dict(
            tokenizer(*columns, padding=True, truncation=limit is not None, max_length=limit, return_tensors="pt")
        )

    def forward(batch: dict[str, Tensor]) -> Tensor:
        logits: Tensor = model(**batch).logits
        return logits.softmax(dim=-1)

    batches = by_length(np.array([len(text) for text in texts]), BATCH)
    results = batched(forward, inputs, batches, device)
    return np.asarray(in_order(results, len(texts), model.config.num_labels, device).double().cpu().numpy())


def submission(frame: pd.DataFrame) -> str:
    """The text of a submission: `Id,Prediction` with predictions -1 and 1. Raises UserError for other labels or ids."""
    foreign = sorted({label for label in frame["label"] if str(label).casefold() not in POLARITY})
    if foreign:
        raise UserError(f"a submission has the labels negative and positive, not {', '.join(map(str, foreign))}")
    values = [POLARITY[str(label).casefold()] for label in frame["label"]]
    if odd := [identity for identity in frame["id"] if not re.fullmatch(r"\d+", str(identity))]:
        raise UserError(f"a submission has whole numbers as ids, not {odd[0]!r}")
    numbered = zip(frame["id"], values, strict=True)
    return "Id,Prediction\n" + "".join(f"{identity},{value}\n" for identity, value in numbered)


def write_predictions(frame: pd.DataFrame, path: Path, *, as_submission: bool) -> None:
    """Write predictions as CSV, or as a submission. Texts that a spreadsheet would run get a `'` in front."""
    write_text(path, submission(frame) if as_submission else csv_of(frame)[0])
