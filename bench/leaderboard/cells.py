"""A cell as the report sees it: whether it is there, its predictions, its cost and where it was made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UserError
from bench.stats.metrics import IntArray, accuracy, log_loss, macro_f1
from bench.store import DONE, ERROR, read_json

TOLERANCE = 1e-6  # of stored metrics against the same from stored logits
CAUSE_LENGTH = 300  # characters of an error message that reports repeat


@dataclass(frozen=True)
class Examples:
    """The test rows of a section, which all of its cells share. ids and labels (N,)."""

    ids: IntArray
    labels: IntArray
    classes: int


@dataclass(frozen=True)
class Cost:
    """What making something took: forward-and-backward passes of one row, and seconds. NaN where it is not known."""

    passes: float
    seconds: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.passes + other.passes, self.seconds + other.seconds)


@dataclass(frozen=True)
class Cell:
    """A finished cell: predicted classes (N,), metrics, cost without and with the artefacts it needs."""

    predictions: IntArray
    accuracy: float
    macro_f1: float
    log_loss: float
    own: Cost
    standalone: Cost
    environment: dict[str, Any]
    folder: Path


@dataclass(frozen=True)
class Absent:
    """A cell without a result: `failed` with its cause, or not there, perhaps because what it needs failed."""

    failed: bool
    cause: str = field(default="")


def failure(folder: Path) -> str | None:
    """One line on why a folder has no result, None if nothing failed there."""
    if (folder / DONE).exists() or not (folder / ERROR).exists():
        return None
    told = read_json(folder / ERROR)
    line = f"{told.get('type', 'error')}: {told.get('message', '')}"
    if told.get("cause"):
        line += f" ({told['cause']})"
    line = " ".join(line.split())
    return line if len(line) <= CAUSE_LENGTH else line[: CAUSE_LENGTH - 3] + "..."


def read_cost(folder: Path) -> Cost:
    """The cost in `timing.json`; scoring a row is a forward pass, a third of training on it."""
    try:
        timing = read_json(folder / "timing.json")
    except FileNotFoundError:
        return Cost(math.nan, math.nan)
    passes = timing.get("passes", {})
    rows = passes.get("train_rows", math.nan) + passes.get("score_rows", math.nan) / 3
    return Cost(rows, timing.get("seconds", math.nan))


def read_predictions(folder: Path, name: str) -> tuple[Examples, np.ndarray[Any, Any]]:
    """The test rows and logits (N, C) of a cell. Raises UserError where the file is not what it should be."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(folder / "predictions.parquet")
        count = sum(column.startswith("logit_") for column in table.column_names)
        logits = np.stack([table[f"logit_{k}"].to_numpy() for k in range(count)], axis=1)
        rows = Examples(table["id"].to_numpy(), table["label"].to_numpy(), count)
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"cell {name}: predictions.parquet cannot be read: {error}") from error
    if not np.isfinite(logits).all():
        raise UserError(f"cell {name}: logits that are not finite")
    return rows, logits


def check(name: str, stored: dict[str, Any], computed: dict[str, float]) -> None:
    """Raise UserError unless the stored metrics are those of the stored logits."""
    for key, value in computed.items():
        known = stored.get(key)
        if known is None or not math.isclose(known, value, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise UserError(f"cell {name}: metrics.json says {key} = {known}, predictions.parquet {value}")


def same_rows(a: Examples, b: Examples) -> bool:
    """Whether two cells were tested on the same rows and classes."""
    return a.classes == b.classes and np.array_equal(a.ids, b.ids) and np.array_equal(a.labels, b.labels)


class Reader:
    """Reads the cells of one section; the first one fixes the test rows."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.rows: Examples | None = None

    def read(self, name: str, needs: list[str]) -> Cell | Absent:
        """The cell in the folder `name`, with the artefacts it needs."""
        folder = self.store / name
        if (folder / DONE).exists():
            return self.done(folder, name, needs)
        if (cause := failure(folder)) is not None:
            return Absent(failed=True, cause=cause)
        blocked = [f"needs {need}: {cause}" for need in needs if (cause := failure(self.store / need)) is not None]
        return Absent(failed=False, cause="; ".join(blocked))

    def done(self, folder: Path, name: str, needs: list[str]) -> Cell:
        """A finished cell, checked against its own metrics and the section's test rows."""
        rows, logits = read_predictions(folder, name)
        if self.rows is None:
            self.rows = rows
        if not same_rows(rows, self.rows):
            raise UserError(f"cell {name}: its test rows are not those of the other cells of its section")
        computed = {
            "accuracy": accuracy(rows.labels, logits),
            "macro_f1": macro_f1(rows.labels, logits),
            "log_loss": log_loss(rows.labels, logits),
        }
        check(name, read_json(folder / DONE), {**computed, "rows": len(logits)})
        environment = folder / "env.json"
        own = read_cost(folder)
        return Cell(
            predictions=logits.argmax(axis=1).astype(np.int16),
            own=own,
            standalone=sum((read_cost(self.store / need) for need in dict.fromkeys(needs)), own),
            environment=read_json(environment) if environment.exists() else {},
            folder=folder,
            **computed,
        )
