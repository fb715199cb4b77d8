"""Checks on files of the user that no task describes: one label per row, gaps, and the mapping of labels.

Errors name the option that solves them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tasks.errors import DataError, did_you_mean, join_names, plural, short_repr
from tasks.loading.checks import text_problem
from tasks.loading.labels import check_named, label_name
from tasks.reading import Columns, Reading, option_name
from tasks.sources.table import Table

MOST_CLASSES = 1_000  # of a column; one with more holds ids or texts, not classes
MOST_SCORES = 20  # different numbers with a fraction; a column with more holds scores, not classes
LIST = re.compile(r"\[.*\]", re.DOTALL)
FRACTION = re.compile(r"-?\d*\.\d*[1-9]\d*")


def prepared(table: Table, role: str, columns: Columns, reading: Reading) -> tuple[Table, tuple[str, ...]]:
    """The table with its labels mapped and without the rows to skip, and a note if rows were skipped.

    Raises `DataError` for a row without a text or a label, and for a label column that does not hold one class per row.
    """
    labels = table.column(columns.label)
    _check_single(table, role, columns.label)
    names = label_names(table, columns.label)
    _check_count(table, role, columns.label, names)
    check_named(table, columns.label, role, {*reading.labels, *reading.drop_labels})
    gaps = dict(_gaps(table, columns, names))
    if gaps and not reading.skip_empty:
        row, problem = next(iter(gaps.items()))
        count = f"{len(gaps):,} of {plural(len(table), 'row')} without a text or a label"
        table.fail(row, f"{problem} ({count}; --skip-empty leaves them out)")
    if new := reading.labels:
        # By the value in the file, or else by the name of the class where a card gives names to numbers; never by both,
        # because a new name may be an old one too: 0=1,1=0.
        cells = zip(labels, names, strict=True)
        mapped = [name and new.get(str(value).strip(), new.get(name, name)) for value, name in cells]
        table = replace(table, columns={**table.columns, columns.label: mapped}, label_names=None)
    if not gaps:
        return table, ()
    if len(gaps) == len(table):
        raise DataError(f"{table.name}: no row has a text and a label")
    lack = "has no text or no label and was" if len(gaps) == 1 else "have no text or no label and were"
    note = f"{len(gaps):,} of {len(table):,} {role} rows {lack} left out"
    return table.take([row for row in range(len(table)) if row not in gaps]), (note,)


def label_names(table: Table, column: str) -> list[str | None]:
    """The labels (n,) of a column as text; None where one is missing."""
    cells = [(type(value), value) for value in table.columns[column]]  # 1 and True are different labels
    known = {cell: label_name(cell[1], table.label_names) for cell in set(cells)}
    return [known[cell] for cell in cells]


def spellings(table: Table, column: str) -> set[str]:
    """The labels of a column as a mapping may call them: by the value in the file, or by its name."""
    cells = zip(table.columns[column], label_names(table, column), strict=True)
    return {text for value, name in cells if name is not None for text in (str(value).strip(), name)}


def _gaps(table: Table, columns: Columns, names: Sequence[str | None]) -> Iterator[tuple[int, str]]:
    """The rows without a text or a label, each with its problem."""
    texts = [column for column in (columns.text, columns.text_pair) if column is not None]
    for row, name in enumerate(names):
        for column in texts:
            problem = text_problem(table.columns[column][row])
            if problem in ("is missing", "is empty"):
                yield row, f"{column} {problem}"
                break
        else:
            if name is None:
                yield row, "label is missing"


def _check_single(table: Table, role: str, column: str) -> None:
    """Raise `DataError` if the labels of a table are lists, objects or scores."""
    other = f"{option_name('label', role)} COLUMN takes another column"
    for row, value in enumerate(table.columns[column]):
        if isinstance(value, Mapping):
            table.fail(
                row, f"label is the object {short_repr(value)}; write its name into a column of its own, or {other}"
            )
        several = isinstance(value, tuple) or not isinstance(value, Hashable)  # such as lists and arrays
        if several or (isinstance(value, str) and LIST.fullmatch(value.strip())):
            table.fail(row, f"label is the list {short_repr(value)}; a row has a single label only; {other}")
        if isinstance(value, bytes):
            table.fail(row, f"label is {short_repr(value)} (bytes), not text")
    scores = {text for text in map(str, set(table.columns[column])) if FRACTION.fullmatch(text.strip())}
    if len(scores) > MOST_SCORES:
        raise DataError(
            f"{table.name}: column {column!r} looks like scores, not labels: {len(scores):,} different numbers with a "
            f"fraction, such as {min(scores)}; {other}"
        )


def _check_count(table: Table, role: str, column: str, names: Sequence[str | None]) -> None:
    """Raise `DataError` if a column of labels has more different ones than any task has classes."""
    count = len({name for name in names if name is not None})
    if count > MOST_CLASSES:
        raise DataError(
            f"{table.name}: column {column!r} has {count:,} different labels in {plural(len(table), 'row')}, and a "
            f"task has at most {MOST_CLASSES:,} classes; {option_name('label', role)} COLUMN takes another column"
        )


def check_mapped(mapped: Iterable[str], present: Iterable[str], option: str) -> None:
    """Raise `DataError` for the first label of an option that no row has."""
    names = sorted(set(present))
    for label in mapped:
        if label not in names:
            raise DataError(
                f"{option}: no row has the label {label!r}; labels: {join_names(names)}{did_you_mean(label, names)}"
            )
