"""Finds the text and label columns of a table where no YAML names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, did_you_mean, join_names
from tasks.reading import Columns, option_name
from tasks.roles import ROLES, ColumnRole
from tasks.sources.table import Table, in_any_case

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


def columns_of(
    table: Table,
    spec: TaskSpec,
    named: Mapping[ColumnRole, str] | None,
    chosen: Mapping[ColumnRole, str],
    role: str,
) -> Columns:
    """Find the text and label columns of a table.

    `chosen` are the columns that the user names for the rows of a role.

    `named` are the columns that a source's block names, as in `{text: sentence}`; the others have the names that the
    task gives them. `named` is None for a file of the user: there, columns with usual names are taken. Raises
    `DataError` that lists the table's columns, or where one column is named twice.
    """
    columns = _found(table, spec, named, chosen, role)
    by_kind = {"text": columns.text, "text_pair": columns.text_pair, "label": columns.label}
    for (one, first), (other, second) in combinations(by_kind.items(), 2):
        if first == second:
            raise DataError(
                f"{table.name}: column {first!r} is named as {one} and as {other}; {option_name(other, role)} COLUMN "
                "takes another column"
            )
    return columns


def _found(
    table: Table, spec: TaskSpec, named: Mapping[ColumnRole, str] | None, chosen: Mapping[ColumnRole, str], role: str
) -> Columns:
    """The columns, which may be one and the same."""
    for what, column in chosen.items():
        table.column(column, hint=f"; {option_name(what, role)} names the column of these rows")
    if named is not None and spec.text is not None:
        named = {**named, **chosen}
        pair = chosen.get("text_pair") or (spec.text_pair and named.get("text_pair", spec.text_pair))
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
    given, known = named or {}, _columns_by_name(table, named)
    text, pair = given.get("text"), given.get("text_pair")
    if text is not None and pair is not None:
        return text, pair
    if pair is not None:
        others = {name: column for name, column in known.items() if column != pair}
        return _usual_column(table, others, _usual_texts(spec), "text", role), pair
    if text is not None and spec.text_pair is not None:
        return text, _usual_column(table, known, [spec.text_pair, *(other for _, other in PAIRS)], "text_pair", role)
    found = _pair_columns(table, spec, known, PAIRS if text is None else PAIRS[:1])
    return found or (_usual_column(table, known, _usual_texts(spec), "text", role), None)


def _usual_texts(spec: TaskSpec) -> list[str]:
    return [*filter(None, [spec.text]), *TEXTS]


def _columns_by_name(table: Table, named: Mapping[ColumnRole, str] | None) -> dict[str, str]:
    """The table's columns by their names, also in lower case, and the columns in `named` by their role."""
    known = {name: name for name in table.columns}
    known |= in_any_case(table.columns)
    # The roles `text`, `text_pair` and `label` are also the first of the usual names, so `named` wins.
    return known | {str(key): column for key, column in (named or {}).items()}


def _pair_columns(
    table: Table, spec: TaskSpec, known: Mapping[str, str], usual: Sequence[tuple[str, str]]
) -> tuple[str, str] | None:
    """Two text columns; None if an example is one text. Raises `DataError` if the task needs pairs and has none."""
    if spec.text is not None and spec.text_pair is None:
        return None
    wanted = [(spec.text, spec.text_pair)] if spec.text and spec.text_pair else []
    for pair in (*wanted, *usual):
        one, other = (_spelled(name, known) for name in pair)
        if one is not None and other is not None:
            return one, other
    if spec.text_pair is None:
        return None
    names = join_names(" and ".join(pair) for pair in dict.fromkeys((*wanted, *usual)))
    present = join_names(table.columns)
    raise DataError(
        f"{table.name}: task {spec.name} needs two columns of texts; columns: {present}; name them as one of: {names}"
    )


def _usual_column(table: Table, known: Mapping[str, str], usual: Sequence[str], what: str, role: str) -> str:
    for name in usual:
        if (column := _spelled(name, known)) is not None:
            return column
    present, is_csv = join_names(table.columns), table.name.endswith((".csv", ".tsv"))
    first = " (if these are the first row, write a line of names above it)" if is_csv else ""
    raise DataError(
        f"{table.name}: no {what} column (usual names: {join_names(dict.fromkeys(usual))}); columns: {present}{first}"
        f"{did_you_mean(usual[0], known)}"
        + (f"; {option_name(what, role)} COLUMN names it" if role in ROLES else "")
        + (one_hot(table) if what == "label" else "")
    )


def _spelled(name: str, known: Mapping[str, str]) -> str | None:
    """The column of a name as it is written, or else in any case; None if there is none."""
    return known.get(name, known.get(name.strip().lower()))


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
