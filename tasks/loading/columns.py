"""Which columns of a file are its texts and labels, and which labels there are, where no YAML says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, listed, nearest
from tasks.roles import ColumnRole
from tasks.sources.files import Table

if TYPE_CHECKING:
    from tasks.spec import TaskSpec


PAIRS = (
    ("text", "text_pair"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
)
TEXTS = (
    "text",
    "sentence",
    "sentence1",
    "content",
    "tweet",
    "review",
    "comment",
    "message",
    "headline",
    "document",
    "body",
)
WHOLE = re.compile(r"-?\d+\.0+")
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "intent")


@dataclass(frozen=True)
class Columns:
    """Names of the columns of one table."""

    text: str
    text_pair: str | None
    label: str = "label"


def columns_of(table: Table, spec: TaskSpec, named: Mapping[ColumnRole, str] | None) -> Columns:
    """The columns of a table.

    `named` are those that the block of a source names (`{text: sentence}`); where it names none, they are called as the
    task says. None stands for a file that the user gave: columns with usual names will do. Raises DataError that
    lists the columns that there are.
    """
    if named is not None and spec.text is not None:
        own = spec.text_pair and named.get("text_pair", spec.text_pair)
        return Columns(named.get("text", spec.text), own, named.get("label", "label"))
    text, pair = texts_of(table, spec, named)
    return Columns(text, pair, _usual(table, _known(table, named), LABELS, "label"))


def texts_of(table: Table, spec: TaskSpec, named: Mapping[ColumnRole, str] | None) -> tuple[str, str | None]:
    """The column of texts and, for pairs, that of second texts, by usual names. Raises DataError as `columns_of`."""
    known = _known(table, named)
    pair = _pair(table, spec, known)
    return pair or (_usual(table, known, [*filter(None, [spec.text]), *TEXTS], "text"), None)


def _known(table: Table, named: Mapping[ColumnRole, str] | None) -> dict[str, str]:
    """Columns by their names in small letters, and by the roles that are named for them."""
    known = {name.strip().lower(): name for name in reversed(list(table.columns))}
    # `text`, `text_pair` and `label` are the usual names that come first.
    return known | {str(key): column for key, column in (named or {}).items()}


def _pair(table: Table, spec: TaskSpec, known: Mapping[str, str]) -> tuple[str, str] | None:
    """Two text columns, or None where an example is one text."""
    if spec.text is not None and spec.text_pair is None:
        return None
    wanted = [(spec.text, spec.text_pair)] if spec.text and spec.text_pair else []
    for one, other in (*wanted, *PAIRS):
        if one in known and other in known:
            return known[one], known[other]
    if spec.text_pair is None:
        return None
    usual = listed(" and ".join(pair) for pair in dict.fromkeys((*wanted, *PAIRS)))
    found = listed(table.columns)
    raise DataError(f"{table.name}: task {spec.name} takes pairs of texts ({usual}); columns: {found}")


def _usual(table: Table, known: Mapping[str, str], usual: Sequence[str], what: str) -> str:
    for name in usual:
        if name in known:
            return known[name]
    found = listed(table.columns)
    raise DataError(f"{table.name}: no {what} column ({listed(usual)}); columns: {found}{nearest(usual[0], known)}")


def same_shape(columns: Mapping[str, tuple[Table, Columns]]) -> None:
    """Raise DataError where some roles hold pairs of texts and others single texts."""
    pairs = [table.name for table, names in columns.values() if names.text_pair]
    single = [table.name for table, names in columns.values() if not names.text_pair]
    if pairs and single:
        raise DataError(
            f"{listed(single)} holds single texts, {listed(pairs)} pairs of texts; a task has one or the other"
        )


def discovered(columns: Mapping[str, tuple[Table, Columns]], leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels of all roles but those to leave out, sorted (numbers by size).

    Raises DataError where a generated, real or test row has a label that the real or the test rows lack, which is how
    another spelling shows.
    """
    found = {role: _labels(table, names.label, leave_out) for role, (table, names) in columns.items()}
    for one, other in (("generated", "real"), ("test", "real"), ("real", "test")):
        if one in found and other in found:
            _subset(columns[one][0], found[one], columns[other][0].name, found[other])
    labels = sorted({name for names in found.values() for name in names}, key=_by_size)
    if len(labels) < 2:
        raise DataError(f"{columns['real'][0].name}: labels: {listed(labels)}; a task needs two classes")
    return tuple(labels)


def _labels(table: Table, column: str, leave_out: Sequence[str]) -> dict[str, list[int]]:
    """Rows by the name of their label; rows without a label are left for later checks."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(table.column(column)):
        name = label_name(value, table.label_names)
        if name is not None and name not in leave_out:
            rows.setdefault(name, []).append(row)
    return rows


def label_name(value: Any, names: Sequence[str] | None) -> str | None:
    """A label as text, None where there is none; `names` is the order that integers refer to, where the file has one.

    Whole numbers are the same label in every format: 1, 1.0 and "1.0", which is what tables make of 1 beside a gap.
    """
    text = "" if value is None else str(value).strip()
    if WHOLE.fullmatch(text):
        text = text.partition(".")[0]
    if names and not isinstance(value, bool | str) and text.isdecimal() and int(text) < len(names):
        return names[int(text)]
    return text if text and text.casefold() != "nan" else None


def _subset(table: Table, rows: Mapping[str, list[int]], other: str, known: Mapping[str, list[int]]) -> None:
    """Raise DataError for the first label of a table that `other` does not have."""
    for label, places in rows.items():
        if label not in known:
            count = f"{len(places):,} row{'s' if len(places) > 1 else ''}"
            table.fail(
                places[0],
                f"label {label!r} ({count}) is not a label of {other}, which has {listed(sorted(known))}"
                f"{nearest(label, known)}",
            )


def _by_size(label: str) -> tuple[float, str]:
    try:
        return float(label), ""
    except ValueError:
        return float("inf"), label
