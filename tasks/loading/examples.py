"""Lines that show how files of the user were understood: the columns that were read, and the first rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from tasks.data import TaskData
from tasks.errors import short_repr
from tasks.rows import Rows


def examples(data: TaskData, count: int = 3) -> Iterator[str]:
    """The columns that were read of each file of the user, and its first rows."""
    for role, names in data.columns.items():
        pair = f", text_pair = {names.text_pair}" if names.text_pair else ""
        yield f"{role} rows ({data.origins.get(role, '')}): text = {names.text}{pair}, label = {names.label}"
        yield from islice(_shown(data.roles.get(role), data.spec.labels), count)


def _shown(rows: Rows | None, labels: Sequence[str]) -> Iterator[str]:
    if rows is None:
        return
    pairs: Sequence[str | None] = rows.pairs or [None] * len(rows)
    for text, pair, label in zip(rows.texts, pairs, rows.labels, strict=True):
        yield f"  {labels[label]}: {short_repr(text)}" + ("" if pair is None else f" | {short_repr(pair)}")
