"""Read one file of rows: Parquet, JSON lines, CSV or TSV. What cannot be read raises `DataError` with the row."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tasks.errors import DataError, listed, missing, nearest

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """The n rows of one file as they stand in it. A cell that is missing is None."""

    name: str  # how errors call it
    columns: dict[str, list[Any]]  # each of length n >= 1
    lines: list[int] | None = None  # the line of each row, where people count in lines
    label_names: tuple[str, ...] | None = None  # the file's own order of labels, if it says
    origin: str = ""  # what it is, wherever it lies: for the record

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def fail(self, row: int, problem: str) -> NoReturn:
        """Raise the error for a row (counted from 0; people count from 1)."""
        place = f"line {self.lines[row]}" if self.lines else f"row {row + 1}"
        raise DataError(f"{self.name}, {place}: {problem}")

    def column(self, name: str) -> list[Any]:
        """The cells of a column. Raises `DataError` that names the columns there are."""
        if name not in self.columns:
            found = listed(self.columns)
            raise DataError(f"{self.name}: no column {name!r}; columns: {found}{nearest(name, self.columns)}")
        return self.columns[name]


def read_table(path: Path) -> Table:
    """Read a file by its suffix. Raises `DataError`."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: cannot read {path.suffix or 'a file without suffix'}; readable: {listed(READERS)}")
    try:
        if not path.is_file():
            raise missing(path)
        columns, lines = reader(path)
        names = _label_names(path.parent / "dataset.json")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    table = Table(str(path), columns, lines, names, origin=path.name)
    if not columns or not len(table):
        raise DataError(f"{path}: no rows")
    return table


Columns = tuple[dict[str, list[Any]], list[int] | None]


def _read_parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty")
    try:
        # One file only: a folder named like `label=1` must not become a column.
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {' '.join(str(error).split())}") from None
    _check_names(path, table.column_names)
    return {name: _cells(path, name, table.column(name)) for name in table.column_names}, None


def _check_names(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise DataError(f"{path}: a column name occurs twice: {listed(names)}")


def _cells(path: Path, name: str, column: pa.ChunkedArray) -> list[Any]:
    try:
        return list(column.to_pylist())
    except ValueError:
        # Mostly broken UTF-8, which Parquet files can hold: go cell by cell to say where.
        cells: list[Any] = []
        for cell in column:
            try:
                cells.append(cell.as_py())
            except ValueError as error:
                problem = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else f"not readable: {error}"
                raise DataError(f"{path}, row {len(cells) + 1}: {name} is {problem}") from None
        return cells


def _read_json_lines(path: Path) -> Columns:
    text = _decoded(path, place=lambda before: f"line {before.count(chr(10)) + 1}")
    rows, lines = [], []
    # Not `splitlines`, which also cuts at separators that are legal inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_json_object(path, number, line))
            lines.append(number)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}, lines


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not valid JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not readable JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {type(row).__name__}, not an object with the columns as keys")
    return row


def _read_csv(path: Path, delimiter: str = ",") -> Columns:
    records: list[list[str]] = []  # the header first
    try:
        text = _decoded(path, place=lambda before: _csv_place(before, delimiter))
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if cells and records and len(cells) != len(records[0]):
                problem = f"{len(cells)} fields where the header has {len(records[0])}"
                raise DataError(f"{path}, row {len(records)}: {problem}")
            if cells:
                records.append(cells)
    except csv.Error as error:
        place = f"row {len(records)}" if records else "header"
        raise DataError(f"{path}, {place}: not valid CSV: {error}") from None
    header = records[0]
    _check_names(path, header)
    return {name: [cells[i] for cells in records[1:]] for i, name in enumerate(header)}, None


def _csv_place(before: str, delimiter: str) -> str:
    # Records, not lines, so that a line end inside quotation marks does not shift the row.
    records = [cells for cells in csv.reader(io.StringIO(before + "?", newline=""), delimiter=delimiter) if cells]
    return f"row {len(records) - 1}" if len(records) > 1 else "header"


def _decoded(path: Path, place: Callable[[str], str]) -> str:
    """The file's text. `place` turns the text before a broken byte into a row for people."""
    data = path.read_bytes()
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{path}: the file is empty")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        raise DataError(f"{path}: the file is UTF-16 or UTF-32; save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind a byte-order mark where there is one.
        before = error.object[: error.start].decode("utf-8")
        byte = error.object[error.start]
        raise DataError(f"{path}, {place(before)}: not valid UTF-8 (byte 0x{byte:02x})") from None


def _label_names(path: Path) -> tuple[str, ...] | None:
    """The label names of a data folder, in the order of its integer labels; None where the folder has no card."""
    if not path.is_file():
        return None
    try:
        card = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    names = card.get("label_names") if isinstance(card, dict) else None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"{path}: label_names must be a list of names")
    return tuple(names) if names else None


READERS: dict[str, Callable[[Path], Columns]] = {
    ".parquet": _read_parquet,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
    ".csv": _read_csv,
    ".tsv": lambda path: _read_csv(path, delimiter="\t"),
}
