"""The texts of a file for `bench predict`: those of a table, or one text per line; or those of a folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError
from tasks import FILES, DataError, load_spec
from tasks.errors import plural
from tasks.loading.checks import checked_texts, text_problem
from tasks.loading.columns import LABELS, texts_of
from tasks.loading.labels import label_name
from tasks.loading.own_rows import check_mapped
from tasks.reading import Reading
from tasks.sources.course import numbered_lines
from tasks.sources.files import READERS
from tasks.sources.hub import hub_place
from tasks.sources.places import read_place
from tasks.sources.table import Table

COURSE_TEST = "test_data.txt"
LINES = ("", ".txt")  # suffixes of files with one text per line
NUMBERED = re.compile(r"(\d+),(.*)", re.DOTALL)  # id,tweet, as in the test file of the course
OF_INPUT = "_input"  # after the name of a column of the file that a column of predictions has too
EMPTY = ("is missing", "is empty")  # problems of a text by which its row may be skipped
AS_USUAL = Reading()  # columns by their usual names
SKIP = "--skip-empty leaves such rows out"


@dataclass(frozen=True, eq=False)
class Texts:
    """The n texts of a file with what else the file has on them."""

    ids: Sequence[Any]  # (n,) 1, 2, ... if the file has none
    first: Sequence[str]  # (n,)
    second: Sequence[str] | None = None  # (n,) of pairs
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # (n,) each: all columns but that of ids
    label: str | None = None  # the column of labels
    labels: Sequence[str | None] = ()  # (n,) the labels in it by name, None for a row without one
    notes: tuple[str, ...] = ()  # how the file was read, and which rows were left out


def read_texts(file: Path, reading: Reading = AS_USUAL) -> Texts:
    """The texts of a file, read as `reading` says, or the test rows of a folder or of a data set of the hub.

    Raises UserError or DataError.
    """
    if not has_lines(file):
        return texts_in(readable(file), reading)
    if reading.columns or reading.labels:
        raise UserError(
            f"{file} has one text per line and no columns; leave out the options that name columns or labels"
        )
    return lines(file, skip_empty=reading.skip_empty)


def has_lines(file: Path) -> bool:
    """Whether a path is that of a file with one text per line. A folder and a data set of the hub are none."""
    hub = not file.suffix and not file.exists() and hub_place(str(file)) is not None
    return file.suffix.lower() in LINES and not file.is_dir() and not hub


def readable(file: Path) -> Table:
    """The table with every row of a file, or with the test rows of another place.

    Raises DataError, which names plain text too if there is no reader for the file.
    """
    try:
        return read_place(str(file), "test", whole=True)
    except DataError as error:
        if file.is_file() and file.suffix.lower() not in READERS:
            raise DataError(f"{error}, or .txt with one text per line") from None
        raise


def texts_in(table: Table, reading: Reading) -> Texts:
    """The texts of a table."""
    if len(set(reading.columns.values())) < len(reading.columns):
        raise UserError("--text, --text-pair and --label take a column each")
    for what, column in reading.columns.items():
        table.column(column, hint=f"; --{what.replace('_', '-')} names the column")
    try:
        text, pair = texts_of(table, load_spec(FILES), reading.columns or None)
    except DataError as error:
        raise DataError(f"{error}; --text COLUMN names it") from None
    notes = table.notes
    if reading.skip_empty:
        table, empty = without_empty(table, [column for column in (text, pair) if column])
        notes += empty
    first, second = checked(table, text), checked(table, pair) if pair else None
    label = reading.columns.get("label") or label_column(table, (text, pair))
    labels = named_labels(table, label, reading.labels) if label else []
    if reading.labels and not label:
        raise UserError(f"--labels maps labels, and {table.name} has no column of them; --label COLUMN names it")
    own = id_column(table)
    columns = {name: cells for name, cells in table.columns.items() if name != own}
    return Texts(identities(table), first, second, columns, label, labels, notes)


def named_labels(table: Table, column: str, new: Mapping[str, str]) -> list[str | None]:
    """The labels (n,) in a column by their names, or by those that a mapping gives them; None where one is missing.

    Raises DataError for a label of the mapping that no row has.
    """
    cells = [(str(value).strip(), label_name(value, table.label_names)) for value in table.column(column)]
    check_mapped(new, {text for cell in cells for text in cell if text is not None}, "--labels")
    return [name and new.get(value, new.get(name, name)) for value, name in cells]


def checked(table: Table, column: str) -> list[str]:
    """The texts (n,) of a column. Raises DataError, with the option that leaves out an empty one."""
    try:
        return checked_texts(table, column)
    except DataError as error:
        if str(error).endswith(EMPTY):
            raise DataError(f"{error}; {SKIP}") from None
        raise


def without_empty(table: Table, columns: Sequence[str]) -> tuple[Table, tuple[str, ...]]:
    """The table without the rows that lack a text, and a note on their number. Raises DataError if none is left."""
    cells = zip(*(table.column(column) for column in columns), strict=True)
    kept = [row for row, texts in enumerate(cells) if not any(text_problem(text) in EMPTY for text in texts)]
    if not kept:
        raise DataError(f"{table.name}: no row has a text")
    return table.take(kept), left_out(len(table) - len(kept), len(table))


def left_out(count: int, rows: int) -> tuple[str, ...]:
    """A note on rows without a text, if there are any."""
    return (f"{count:,} of {plural(rows, 'row')} without a text: left out",) if count else ()


def label_column(table: Table, texts: Sequence[str | None]) -> str | None:
    """The column of labels by its usual name; one that an earlier prediction renamed comes first."""
    usual = {
        name: LABELS.index(plain)
        for name in table.columns
        if name not in texts and (plain := name.strip().lower().removesuffix(OF_INPUT)) in LABELS
    }
    return min(usual, key=lambda name: (not name.endswith(OF_INPUT), usual[name]), default=None)


def id_column(table: Table) -> str | None:
    """The column of ids in any case, as columns of texts and labels are; `id` itself comes first."""
    names = (name for name in table.columns if name.strip().lower() == "id")
    return min(names, key=lambda name: name != "id", default=None)


def identities(table: Table) -> list[Any]:
    """The ids of a table; numbers of rows from 1 if it has none.

    Raises DataError for an id that is missing, occurs twice, or is a list.
    """
    name = id_column(table)
    if name is None:
        return [row + 1 for row in table.numbers or range(len(table))]
    seen = set()
    values = table.column(name)
    ids = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    for row, value in enumerate(ids):
        if value is None or value != value or value == "":
            table.fail(row, "id is missing")
        if not isinstance(value, Hashable):
            table.fail(row, f"id is a {type(value).__name__}; an id is text or a number")
        if value in seen:
            table.fail(row, f"id {value} also belongs to an earlier row")
        seen.add(value)
    return ids


def lines(file: Path, *, skip_empty: bool = False) -> Texts:
    """One text per line. If every line is `id,text`, the ids are split off. Raises UserError or DataError."""
    course = file.name == COURSE_TEST
    rows = [line for _, line in numbered_lines(file, whole=course)]
    if not any(line.strip() for line in rows):
        raise UserError(f"{file} holds no texts")
    matches = [NUMBERED.fullmatch(line) for line in rows]
    numbered = [(int(match[1]), match[2]) for match in matches if match]
    if not course and len(numbered) <= len(rows) / 2:
        return unnumbered(file, rows, skip_empty=skip_empty)
    if len(numbered) < len(rows):
        number = matches.index(None) + 1
        raise UserError(f"{file}, line {number}: {rows[number - 1][:40]!r} is not id,text like the other lines")
    ids, texts = [identity for identity, _ in numbered], [text for _, text in numbered]
    if len(set(ids)) < len(ids):
        twice = next(identity for identity, count in Counter(ids).items() if count > 1)
        raise UserError(f"{file}: the id {twice} is on several lines")
    if course:
        return Texts(ids, texts)
    return filled(file, ids, texts, skip_empty=skip_empty)


def unnumbered(file: Path, rows: Sequence[str], *, skip_empty: bool) -> Texts:
    """The texts of lines, by the numbers of the lines from 1. Raises UserError for an empty one that is not skipped."""
    return filled(file, range(1, len(rows) + 1), rows, skip_empty=skip_empty)


def filled(file: Path, ids: Sequence[int], rows: Sequence[str], *, skip_empty: bool) -> Texts:
    """The texts that are not empty, and a note on the others. Raises UserError for an empty one that is not skipped."""
    kept = [place for place, text in enumerate(rows) if text_problem(text) != "is empty"]
    missing = len(rows) - len(kept)
    if missing and not skip_empty:
        line = next(place for place, text in enumerate(rows) if text_problem(text) == "is empty") + 1
        raise UserError(f"{file}, line {line}: text is empty; {SKIP}")
    return Texts([ids[place] for place in kept], [rows[place] for place in kept], notes=left_out(missing, len(rows)))
