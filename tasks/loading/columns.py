"""Finds the text and label columns of a table, and the labels of a task, where no YAML names them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tasks.errors import MAX_NAMES, DataError, closest, did_you_mean, join_names, plural
from tasks.reading import USER_ROLES, Columns, option_name
from tasks.roles import ColumnRole
from tasks.sources.table import Table

if TYPE_CHECKING:
    from tasks.spec import TaskSpec

# Usual names of columns, the first in a table being taken.
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
LABELS = ("label", "labels", "class", "category", "target", "sentiment", "intent")

NOTHING: Mapping[ColumnRole, str] = MappingProxyType({})
WHOLE_NUMBER = re.compile(r"-?\d+\.0+")


def columns_of(
    table: Table,
    spec: TaskSpec,
    named: Mapping[ColumnRole, str] | None,
    chosen: Mapping[ColumnRole, str] = NOTHING,
    role: str = "",
) -> Columns:
    """Find the text and label columns of a table.

    `chosen` are the columns that the user names for the rows of a role.

    `named` are the columns that a source's block names, as in `{text: sentence}`; the others have the names that the
    task gives them. `named` is None for a file of the user: there, columns with usual names are taken. Raises
    `DataError` that lists the table's columns.
    """
    for what, column in chosen.items():
        table.column(column, hint=f"; {option_name(what, role)} names the column of these rows")
    if named is not None and spec.text is not None:
        named = {**named, **chosen}
        pair = spec.text_pair and named.get("text_pair", spec.text_pair)
        return Columns(named.get("text", spec.text), pair, named.get("label", "label"))
    if "text" in chosen and spec.text_pair is None:
        text, pair = chosen["text"], chosen.get("text_pair")
    else:
        text, pair = texts_of(table, spec, {**(named or {}), **chosen} if chosen else named, role)
    known = _columns_by_name(table, {**(named or {}), **chosen})
    return Columns(text, pair, _usual_column(table, known, LABELS, "label", role))


def texts_of(
    table: Table, spec: TaskSpec, named: Mapping[ColumnRole, str] | None, role: str = ""
) -> tuple[str, str | None]:
    """The column of texts and, for pairs, of second texts, by usual names. Raises `DataError` as `columns_of`."""
    known = _columns_by_name(table, named)
    pair = _pair_columns(table, spec, known)
    return pair or (_usual_column(table, known, [*filter(None, [spec.text]), *TEXTS], "text", role), None)


def _columns_by_name(table: Table, named: Mapping[ColumnRole, str] | None) -> dict[str, str]:
    """The table's columns by lower-case name, and the columns in `named` by their role."""
    known = {name.strip().lower(): name for name in reversed(list(table.columns))}
    # The roles `text`, `text_pair` and `label` are also the first of the usual names, so `named` wins.
    return known | {str(key): column for key, column in (named or {}).items()}


def _pair_columns(table: Table, spec: TaskSpec, known: Mapping[str, str]) -> tuple[str, str] | None:
    """Two text columns; None if an example is one text. Raises `DataError` if the task needs pairs and has none."""
    if spec.text is not None and spec.text_pair is None:
        return None
    wanted = [(spec.text, spec.text_pair)] if spec.text and spec.text_pair else []
    for one, other in (*wanted, *PAIRS):
        if one in known and other in known:
            return known[one], known[other]
    if spec.text_pair is None:
        return None
    usual = join_names(" and ".join(pair) for pair in dict.fromkeys((*wanted, *PAIRS)))
    present = join_names(table.columns)
    raise DataError(
        f"{table.name}: task {spec.name} needs two columns of texts; columns: {present}; name them as one of: {usual}"
    )


def _usual_column(table: Table, known: Mapping[str, str], usual: Sequence[str], what: str, role: str) -> str:
    for name in usual:
        if name in known:
            return known[name]
    present = join_names(table.columns)
    raise DataError(
        f"{table.name}: no {what} column (usual names: {join_names(usual)}); columns: {present}"
        f"{did_you_mean(usual[0], known)}"
        + (f"; {option_name(what, role)} COLUMN names it" if role in USER_ROLES else "")
        + (one_hot(table) if what == "label" else "")
    )


def one_hot(table: Table) -> str:
    """The end of a message about a table without labels that has a column of 0 and 1 for each class, else nothing."""
    flags = [name for name, cells in table.columns.items() if {_flag(cell) for cell in cells} == {0, 1}]
    rows = zip(*(table.columns[name] for name in flags), strict=True)
    if len(flags) < 2 or any(sum(_flag(cell) or 0 for cell in cells) != 1 for cells in rows):
        return ""
    return (
        f"; columns {join_names(flags)} hold a class each (one-hot), but a row has a single label only: write the name "
        "of its class into one column"
    )


def _flag(cell: Any) -> int | None:
    return {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1}.get(str(cell).strip())


def same_shape(columns: Mapping[str, tuple[Table, Columns]]) -> None:
    """Raise `DataError` if some roles hold pairs of texts and others single texts."""
    pairs = [table.name for table, names in columns.values() if names.text_pair]
    single = [table.name for table, names in columns.values() if not names.text_pair]
    if pairs and single:
        raise DataError(
            f"single texts in {join_names(single)}, but pairs of texts in {join_names(pairs)}; all files of a task "
            "must have the same kind"
        )


def labels_in(columns: Mapping[str, tuple[Table, Columns]], leave_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels of all roles without those to leave out, sorted by name; numbers are sorted by size.

    Raises `DataError` if a row has a label that the real or the test rows lack, because that is mostly another
    spelling.
    """
    labels = {role: _rows_by_label(table, names.label, leave_out) for role, (table, names) in columns.items()}
    for one, other in (("generated", "real"), ("test", "real"), ("real", "test"), ("validation", "real")):
        if one in labels and other in labels:
            _check_known(columns[one][0], labels[one], columns[other][0].name, labels[other], one)
    names = sorted({name for rows in labels.values() for name in rows}, key=_numbers_by_size)
    if len(names) < 2:
        raise DataError(f"{columns['real'][0].name}: labels: {join_names(names)}; a task needs at least 2 classes")
    return tuple(names)


def _rows_by_label(table: Table, column: str, leave_out: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each label. Rows without a label are left out here; a later check reports them."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(table.column(column)):
        name = label_name(value, table.label_names)
        if name is not None and name not in leave_out:
            rows.setdefault(name, []).append(row)
    return rows


def label_name(value: Any, names: Sequence[str] | None) -> str | None:
    """A label as text; None if it is missing. `names[i]` is the meaning of integer i, if the file gives one.

    1, 1.0 and "1.0" are the same label, because tables with a missing cell turn 1 into 1.0. Text is a number if no name
    is one: CSV has only text.
    """
    text = "" if value is None else str(value).strip()
    if WHOLE_NUMBER.fullmatch(text):
        text = text.partition(".")[0]
    counts = not isinstance(value, bool | str) or not any(is_number(name) for name in names or ())
    if names and counts and text.isdecimal() and int(text) < len(names):
        return names[int(text)]
    return text if text and text.casefold() != "nan" else None


def _check_known(
    table: Table, rows: Mapping[str, list[int]], other: str, known: Mapping[str, list[int]], role: str
) -> None:
    """Raise `DataError` for the first label of a table that the file `other` lacks."""
    for label, places in rows.items():
        if label not in known:
            hint = did_you_mean(label, known)
            if is_number(label) != all(map(is_number, known)):
                # Which number is which name is not in the files, and a guess would exchange labels silently.
                numbers = table.name if is_number(label) else other
                hint = (
                    f"; the labels of {numbers} are numbers without names: write names in their place, or a file "
                    'dataset.json beside it with {"label_names": ["name of 0", "name of 1", ...]}'
                )
            if role in USER_ROLES:
                hint += label_options([name for name in rows if name not in known], known, role)
            table.fail(
                places[0],
                f"label {label!r} ({plural(len(places), 'row')}) is not a label of {other}, which has "
                f"{join_names(sorted(known))}{hint}",
            )


def label_options(unknown: Sequence[str], known: Iterable[str], role: str) -> str:
    """The end of a message about unknown labels of a role: the options that map them or leave their rows out."""
    names = list(known)
    close = [closest(label, names) for label in unknown]
    mapped = ",".join(f"{label}={name or 'NAME'}" for label, name in zip(unknown, close, strict=True))
    drop = f"--drop-labels {shlex.quote(','.join(unknown))} leaves their rows out"
    shown = f"; {option_name('labels', role)} {shlex.quote(mapped)} maps them, {drop}"
    return shown if len(unknown) <= MAX_NAMES else f'; {option_name("labels", role)} "LABEL=NAME,..." maps labels'


def is_number(label: str) -> bool:
    """Whether a label is a whole number, such as 3 or -1."""
    return label.removeprefix("-").isdecimal()


def _numbers_by_size(label: str) -> tuple[float, str]:
    try:
        return float(label), ""
    except ValueError:
        return float("inf"), label
