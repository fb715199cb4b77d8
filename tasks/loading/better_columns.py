"""Findings about columns that were taken by their usual name although another column fits better."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import Any

from tasks.errors import plural
from tasks.findings import Finding, Level
from tasks.loading.columns import LABELS
from tasks.reading import Columns, option_name
from tasks.rows import words_between_spaces
from tasks.sources.table import Table

REPEATED = 0.5  # a text column with fewer different texts per row is suspicious
VARIED = 2.0  # so many times as many different texts make another column the better one
LEAST_WORDS = 3.0  # mean words of a column of texts; fewer are ids, names or labels
LEAST_ROWS = 10  # fewer rows say nothing about how varied a column is


def column_findings(table: Table, role: str, columns: Columns, named: Collection[str]) -> Iterator[Finding]:
    """The findings for one table; none for the columns that are `named`, such as `text`, instead of guessed."""
    if "text" not in named:
        yield from _same_name(table, role, columns.text)
    if "text" not in named and columns.text_pair is None:
        yield from _text_findings(table, role, columns)
    if "label" not in named:
        labels = [str(value) for value in table.columns[columns.label]]
        for name, cells in table.columns.items():
            if name.strip().lower() in LABELS and name != columns.label and [str(cell) for cell in cells] != labels:
                text = (
                    f"{table.origin}: the labels are those of column {columns.label!r}, but column {name!r} may hold "
                    f"them; {option_name('label', role)} {shlex.quote(name)} takes it"
                )
                yield Finding("label-column", Level.FIX, f"two columns of labels in the {role} rows", text, (role,))


def _same_name(table: Table, role: str, taken: str) -> Iterator[Finding]:
    for name, cells in table.columns.items():
        if name != taken and name.strip().lower() == taken.strip().lower() and cells != table.columns[taken]:
            text = (
                f"{table.origin}: column {taken!r} was taken as the text, and column {name!r} has the same name apart "
                f"from case and white space; {option_name('text', role)} {shlex.quote(name)} takes it"
            )
            yield Finding("text-column", Level.FIX, f"two columns of texts in the {role} rows", text, (role,))


def _text_findings(table: Table, role: str, columns: Columns) -> Iterator[Finding]:
    rows, taken = len(table), _different(table.columns[columns.text])
    if rows < LEAST_ROWS or taken > REPEATED * rows:
        return
    others = {
        name: different
        for name, cells in table.columns.items()
        if name not in (columns.text, columns.label)
        and _of_texts(cells)
        and (different := _different(cells)) >= VARIED * taken
    }
    if others:
        best = max(others, key=others.__getitem__)
        text = (
            f"{table.origin}: column {columns.text!r} was taken as the text, but holds only "
            f"{plural(taken, 'different text')} in {rows:,} rows; column {best!r} holds {others[best]:,}; "
            f"{option_name('text', role)} {shlex.quote(best)} takes it"
        )
        yield Finding("text-column", Level.FIX, f"a better column of texts in the {role} rows", text, (role,))


def _different(cells: list[Any]) -> int:
    return len({cell for cell in cells if isinstance(cell, str)})


def _of_texts(cells: list[Any]) -> bool:
    """Whether a column holds texts of several words."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return len(texts) > len(cells) / 2 and sum(len(words_between_spaces(text)) for text in texts) >= LEAST_WORDS * len(
        texts
    )
