"""Copies and near copies of rows between roles, pairs of identical texts, and rare classes: counted, with examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from tasks.data import TaskData
from tasks.errors import DataError, plural, short_repr
from tasks.rows import Rows

MOST_ROWS = 200_000  # with more rows, near copies are not counted: that would take longer than reading the files
RARE = 10  # test rows of a class; with fewer, its recall changes by more than 10 points with one row
MOST_RARE = 5  # classes that a warning names
DROP = "--drop-copies leaves them out"


def data_warnings(data: TaskData) -> Iterator[str]:
    """The warnings about the rows of a task."""
    if sum(map(len, data.roles.values())) > MOST_ROWS:
        yield f"copies of rows between roles were not counted, because there are more than {MOST_ROWS:,} rows"
    else:
        for (what, rows), (of, others) in combinations(data.roles.items(), 2):
            yield from _copies(what, rows, of, others)
    for what, rows in data.roles.items():
        yield from _identical_sides(what, rows, data.spec.labels)
    counts = np.bincount(data.test.labels, minlength=len(data.spec.labels))
    rare = [f"{name} {count}" for name, count in zip(data.spec.labels, counts, strict=True) if count < RARE]
    if rare and len(data.test) >= RARE * len(counts):
        listed = ", ".join(rare[:MOST_RARE]) + (", ..." if len(rare) > MOST_RARE else "")
        yield (
            f"the test has fewer than {RARE} rows of {plural(len(rare), 'class')} "
            f"({listed}): their recall, and macro-F1 with it, says little"
        )


def without_repeats(rows: Rows, notes: list[str]) -> Rows:
    """The first of all real rows that are near copies of each other, so that none is taught and tested."""
    first = np.unique(np.array(rows.near_keys), return_index=True)[1]
    if len(first) == len(rows):
        return rows
    repeats = f"{len(rows) - len(first):,} of {len(rows):,} real rows that repeat an earlier real row"
    notes.append(f"left out {repeats}, apart from punctuation (--drop-copies)")
    return rows.take(np.sort(first))


def without_copies(rows: Rows, others: Sequence[Rows], what: str, prefix: str, notes: list[str]) -> Rows:
    """The rows that are no near copies of rows of other roles. A note counts those, which are `what`.

    Raises `DataError` if none is left.
    """
    keys = {key for role in others for key in role.near_keys}
    mask = np.array([key not in keys for key in rows.near_keys], dtype=np.bool_)
    if not mask.any():
        raise DataError(f"{prefix}: --drop-copies leaves no row, because all {len(rows):,} are {what}")
    if mask.all():
        return rows
    notes.append(f"left out {(~mask).sum():,} of {len(rows):,} {what}, apart from punctuation (--drop-copies)")
    return rows.take(mask)


def _copies(what: str, rows: Rows, of: str, others: Rows) -> Iterator[str]:
    """Warnings for rows with the text of another role's row, and for those that differ in punctuation alone."""
    exact = set(others.keys)
    same = [row for row, key in enumerate(rows.keys) if key in exact]
    if same:
        text = short_repr(rows.texts[same[0]])
        yield f"{len(same):,} of {len(rows):,} {what} rows have the text of a {of} row, such as {text}; {DROP}"
    places = {key: row for row, key in enumerate(others.near_keys)}
    copied = set(same)
    near = [(row, places[key]) for row, key in enumerate(rows.near_keys) if key in places and row not in copied]
    if near:
        texts = f"{short_repr(rows.texts[near[0][0]])} and {short_repr(others.texts[near[0][1]])}"
        yield (
            f"{len(near):,} of {len(rows):,} {what} rows differ from a {of} row in punctuation alone, such as {texts}; "
            f"{DROP}"
        )


def _identical_sides(what: str, rows: Rows, labels: Sequence[str]) -> Iterator[str]:
    """A warning for pairs of two identical texts."""
    if rows.pairs is None:
        return
    sides = (key.split("\n") for key in rows.keys)
    same = np.array([one == other for one, other in sides], dtype=np.bool_)
    if same.any():
        counts = np.bincount(rows.labels[same], minlength=len(labels))
        listed = ", ".join(f"{name} {count:,}" for name, count in zip(labels, counts, strict=True) if count)
        yield f"{same.sum():,} of {len(rows):,} {what} pairs consist of two identical texts (by label: {listed})"
