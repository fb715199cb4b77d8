"""From the cells of a file to checked rows: texts, labels and filters. Bad cells raise `DataError` with the row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import DataError, listed, nearest, shown
from tasks.loading.columns import Columns, label_name
from tasks.rows import Rows
from tasks.sources.files import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.spec import TaskSpec


def checked_rows(table: Table, columns: Columns, known: Sequence[str], clean_label: str | None = None) -> Rows:
    """The rows (n,) of a table; label i is `known[i]`. Methods never see the column `clean_label`.

    Raises `DataError` for the first bad text, then for the first bad label.
    """
    texts = checked_texts(table, columns.text)
    pairs = None if columns.text_pair is None else checked_texts(table, columns.text_pair)
    labels = _labels(table, columns.label, known)
    hidden = {"label_clean": _labels(table, clean_label, known)} if clean_label in table.columns else {}
    return Rows(np.arange(len(table), dtype=np.int64), texts, pairs, labels, hidden)


def _labels(table: Table, column: str, known: Sequence[str]) -> NDArray[np.int64]:
    names = table.label_names or known
    labels = [_label(table, row, value, names, known) for row, value in enumerate(table.column(column))]
    return np.array(labels, dtype=np.int64)


def checked_texts(table: Table, column: str) -> list[str]:
    """The texts (n,) of a column. Raises `DataError` for the first that is missing, empty or no text."""
    values = table.column(column)
    for row, value in enumerate(values):
        if problem := _text_problem(value):
            table.fail(row, f"{column} {problem}")
    return values


def _text_problem(value: Any) -> str:
    if _absent(value):
        return "is missing"
    if not isinstance(value, str):
        return f"is {shown(value)} ({type(value).__name__}), not a string"
    if not value.strip():
        return "is empty"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate)"
    return ""


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _label(table: Table, row: int, value: Any, names: Sequence[str], labels: Sequence[str]) -> int:
    """A label as an index into the task's `labels`; `names` is the order that integers in the file refer to."""
    if (name := label_name(value, None)) is None:
        table.fail(row, "label is missing")
    for text in (str(value).strip(), name):
        if text in labels:
            return labels.index(text)
    index = int(name) if name.isdecimal() else None
    # Labels that are numbers themselves (stars 1 to 5) are names, never positions.
    positions = not any(label.lstrip("-").isdecimal() for label in names)
    named = names[index] if positions and index is not None and 0 <= index < len(names) else None
    if named in labels:
        return labels.index(named)
    meaning = "" if named is None else f" ({named})"
    table.fail(row, f"label {shown(value)}{meaning} is not one of {listed(labels)}{nearest(value, labels)}")


def checked_options(spec: TaskSpec, options: Mapping[str, object]) -> dict[str, float]:
    """The filters asked for, by name. Raises `DataError` for one that the task does not have or cannot compare."""
    filters: dict[str, float] = {}
    for name, value in options.items():
        known = spec.options
        if name not in known:
            raise DataError(f"task {spec.name} has no option {name!r}{nearest(name, known)}; known: {listed(known)}")
        if name in spec.choices:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise DataError(f"task {spec.name}: {name} takes a number, not {shown(value)}")
        filters[name] = value
    return filters


def chosen_place(spec: TaskSpec, source: str, options: Mapping[str, object]) -> str | None:
    """The place of the real rows that an option chooses, None where none does. Raises `DataError`."""
    for name, value in options.items():
        if (choice := spec.choices.get(name)) is None:
            continue
        if value not in choice.values:
            raise DataError(f"task {spec.name}: {name} is one of {listed(choice.values)}, not {shown(value)}")
        if source != choice.source:
            raise DataError(f"task {spec.name}: {name}={value} is an option of source {choice.source}, not of {source}")
        return str(value)
    return None


def kept(table: Table, spec: TaskSpec, filters: Mapping[str, float]) -> NDArray[np.bool_]:
    """Mask (n,) of the rows that all filters keep. Raises `DataError` if that is no row."""
    mask = np.ones(len(table), dtype=np.bool_)
    for name, least in filters.items():
        column = spec.filters[name].column
        values = np.array([_number(table, row, column, value) for row, value in enumerate(table.column(column))])
        mask &= values >= least
        if not mask.any():
            raise DataError(f"{table.name}: {name}={least} keeps no row; the largest {column} is {values.max():g}")
    return mask


def _number(table: Table, row: int, column: str, value: Any) -> float:
    try:
        number = math.nan if value is None or isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        table.fail(row, f"{column} is {shown(value)}, not a number")
    return number
