"""Checks texts, labels, filters and options, and turns the cells of a table into rows. Errors name the row."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import DataError, did_you_mean, did_you_mean_or_all, join_names, short_repr
from tasks.loading.generations import GENERATION
from tasks.loading.labels import is_number, label_name, label_options, meaning
from tasks.reading import Columns
from tasks.roles import ROLES
from tasks.rows import Rows
from tasks.sources.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.spec import TaskSpec


MAX_TEXT = 1_000_000  # characters, many times what any encoder reads; tokenising more takes minutes


def checked_rows(
    table: Table,
    columns: Columns,
    known: Sequence[str],
    clean_label: str | None,
    own: str,
    beside: str,
) -> Rows:
    """The n rows of a table; class i is `known[i]`. `own` is the role of rows of the user, for hints on options.

    `beside`: what a message on a label that is not of the task says of the task's own rows beside those of the user.

    The column `clean_label` becomes the hidden column `label_clean`, which no method sees; of several generations,
    `generation` holds the number of each row's. Columns without a role are
    kept as they are. Raises `DataError` for the first bad text, then for the first bad label.
    """
    texts = checked_texts(table, columns.text)
    pairs = None if columns.text_pair is None else checked_texts(table, columns.text_pair)
    labels = _labels(table, columns.label, known, own, beside)
    hidden = {"label_clean": _labels(table, clean_label, known)} if clean_label in table.columns else {}
    if table.parts:
        hidden[GENERATION] = np.array(table.generations, dtype=np.int64)
    numbers = np.arange(len(table)) if table.numbers is None else table.numbers
    with_role = {columns.text, columns.text_pair, columns.label, clean_label}
    extra = {name: cells for name, cells in table.columns.items() if name not in with_role}
    return Rows(np.array(numbers, dtype=np.int64), texts, pairs, labels, hidden, extra)


def _labels(table: Table, column: str, known: Sequence[str], own: str = "", beside: str = "") -> NDArray[np.int64]:
    names, found = table.label_names or known, dict[tuple[type, str], int]()
    labels = np.empty(len(table), dtype=np.int64)
    for row, value in enumerate(table.column(column)):
        cell = type(value), str(value)
        if cell not in found:
            found[cell] = _label(table, row, value, names, known, own, beside)
        labels[row] = found[cell]
    return labels


def by_position(table: Table, column: str, labels: Sequence[str]) -> bool:
    """Whether the labels of a table are numbers without names, which count the task's `labels` from 0."""
    if table.label_names or any(map(is_number, labels)):
        return False
    return any((label_name(value, None) or "").isdecimal() for value in table.column(column))


def checked_texts(table: Table, column: str) -> list[str]:
    """The texts (n,) of a column. Raises `DataError` for the first that is missing, empty or not a string."""
    values = table.column(column)
    for row, value in enumerate(values):
        if problem := text_problem(value):
            table.fail(row, f"{column} {problem}")
    return values


def text_problem(value: Any) -> str:
    """What is wrong with a text: `is missing`, `is empty` or another problem; empty if nothing is."""
    if _absent(value):
        return "is missing"
    if not isinstance(value, str):
        return f"is {short_repr(value)} ({type(value).__name__}), not a string"
    if all(map(_invisible, value)):
        return "is empty"
    if len(value) > MAX_TEXT:
        return f"has {len(value):,} characters, and a text has at most {MAX_TEXT:,}; cut it"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains half a character (a lone surrogate)"
    return ""


def _invisible(char: str) -> bool:
    """Whether a character shows nothing: white space, control characters, zero-width characters."""
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf")


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _label(
    table: Table, row: int, value: Any, names: Sequence[str], labels: Sequence[str], own: str, beside: str
) -> int:
    """A label as an index into the task's `labels`; `names[i]` is the meaning of integer i in the file."""
    if (name := label_name(value, None)) is None:
        table.fail(row, "label is missing")
    for text in (str(value).strip(), name):
        if text in labels:
            return labels.index(text)
    # Labels that are numbers themselves (stars 1 to 5) are names, never positions.
    meant = None if any(map(is_number, names)) else meaning(name, names)
    if meant in labels:
        return labels.index(meant)
    label = short_repr(value) + ("" if meant is None else f" ({meant})")
    options = label_options([meant or name], labels, own) if own in ROLES else ""
    known = f"{join_names(labels)}{beside if options else ''}"
    table.fail(row, f"label {label} is not one of {known}{did_you_mean(value, labels)}{options}")


def checked_options(spec: TaskSpec, options: Mapping[str, object]) -> dict[str, float]:
    """The values of filters and knobs by name; choices of places are left out.

    Raises `DataError` if the task has no option of a name, or if a value is not a finite number.
    """
    numbers: dict[str, float] = {}
    for name, value in options.items():
        if name not in spec.options:
            raise DataError(f"task {spec.name} has no option {name!r}{did_you_mean_or_all(name, spec.options)}")
        if name in spec.choices:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise DataError(f"task {spec.name}: {name} takes a number, not {short_repr(value)}")
        numbers[name] = value
    return numbers


def chosen_place(spec: TaskSpec, source: str, options: Mapping[str, object]) -> str | None:
    """The place of the real rows that an option chooses; None if no option does. Raises `DataError`."""
    for name, value in options.items():
        if (choice := spec.choices.get(name)) is None:
            continue
        if value not in choice.values:
            values = join_names(choice.values)
            raise DataError(f"task {spec.name}: {name} must be one of {values}, not {short_repr(value)}")
        if source != choice.source:
            raise DataError(
                f"task {spec.name}: {name}={value} is an option of source {choice.source}, not of source {source}; "
                f"give --source {choice.source}"
            )
        return str(value)
    return None


def filter_mask(table: Table, spec: TaskSpec, filters: Mapping[str, float]) -> NDArray[np.bool_]:
    """(n,) whether all filters keep a row. Raises `DataError` if they keep none."""
    mask = np.ones(len(table), dtype=np.bool_)
    for name, least in filters.items():
        column = spec.filters[name].column
        values = np.array([_number(table, row, column, value) for row, value in enumerate(table.column(column))])
        mask &= values >= least
        if not mask.any():
            raise DataError(f"{table.name}: {name}={least} keeps no rows; the largest {column} is {values.max():g}")
    return mask


def _number(table: Table, row: int, column: str, value: Any) -> float:
    try:
        number = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        table.fail(row, f"{column} is {short_repr(value)}, not a number")
    return number
