"""Reads one file of rows: Parquet, JSON lines, JSON, CSV or TSV. Errors name the file and the row."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from tasks.errors import DataError, did_you_mean, join_names, missing_file, plural

if TYPE_CHECKING:
    import pyarrow as pa

csv.field_size_limit(2**31 - 1)  # a text may be as long in CSV as in the other formats
HEAD_BYTES = 4096  # read to recognise an empty file or a wrong encoding


@dataclass(frozen=True)
class Table:
    """The n rows of one file, unchecked. A missing cell is None."""

    name: str  # as errors call the file
    columns: dict[str, list[Any]]  # each of length n >= 1
    lines: list[int] | None = None  # the line number of each row, for formats of one row a line
    label_names: tuple[str, ...] | None = None  # the meaning of integer labels, if a card beside the file says so
    origin: str = ""  # what the rows are, without the path: a file's name, or a hub place with its commit
    notes: tuple[str, ...] = ()  # what was counted or left out during reading

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def fail(self, row: int, problem: str) -> NoReturn:
        """Raise the `DataError` for a row, counted from 0; the message counts from 1."""
        place = f"line {self.lines[row]}" if self.lines else f"row {row + 1}"
        raise DataError(f"{self.name}, {place}: {problem}")

    def column(self, name: str) -> list[Any]:
        """The cells (n,) of a column. Raises `DataError` that lists the columns if there is none of this name."""
        if name not in self.columns:
            present = join_names(self.columns)
            raise DataError(f"{self.name}: no column {name!r}; columns: {present}{did_you_mean(name, self.columns)}")
        return self.columns[name]


def read_table(path: Path) -> Table:
    """The rows of a file, by the reader for its suffix. Raises `DataError` if there is no reader, no file or no row."""
    try:
        if not path.is_file():
            raise missing_file(path)
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            kind = path.suffix or "a file without a suffix"
            raise DataError(f"{path}: cannot read {kind}; readable: {join_names(READERS)}")
        columns, lines = reader(path)
        label_names = label_names_of(path.parent / "dataset.json")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    table = Table(str(path), columns, lines, label_names, origin=path.name)
    if not columns or not len(table):
        raise DataError(f"{path}: no rows")
    return table


def label_names_of(card: Path) -> tuple[str, ...] | None:
    """The names of integer labels 0, 1, ... from the card `dataset.json` of a data folder; None without a card."""
    if not card.is_file():
        return None
    try:
        content = json.loads(card.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{card}: not valid JSON: {error}") from None
    names = content.get("label_names") if isinstance(content, dict) else None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"{card}: label_names must be a list of names")
    return tuple(names) if names else None


ColumnsAndLines = tuple[dict[str, list[Any]], list[int] | None]


def _read_parquet(path: Path) -> ColumnsAndLines:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty")
    try:
        # One file only: a folder named like `label=1` must not become a column.
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {' '.join(str(error).split())}") from None
    _check_names_differ(path, table.column_names)
    columns = {name: _parquet_cells(path, name, table.column(name)) for name in table.column_names}
    for name, classes in _parquet_classes(path, table.schema).items():
        if name in columns:
            columns[name] = [_class_name(path, row, name, value, classes) for row, value in enumerate(columns[name])]
    return columns, None


def _parquet_classes(path: Path, schema: pa.Schema) -> dict[str, list[str]]:
    """The names of the classes 0, 1, ... by column, from the metadata that the library `datasets` writes."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return {}
    try:
        features = json.loads(metadata)["info"]["features"]
        classes = {name: feature["names"] for name, feature in features.items() if "ClassLabel" in _kind(feature)}
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the names of classes in its metadata cannot be read: {error!r}") from None
    return classes


def _kind(feature: Any) -> str:
    """The type of a column in the metadata of `datasets`; a list of columns has none."""
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _class_name(path: Path, row: int, column: str, value: Any, classes: list[str]) -> Any:
    """The name of a class that a cell holds as a number; -1 is a missing label, as on the hub."""
    if value is None or value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(classes):
        raise DataError(f"{path}, row {row + 1}: {column} is {value!r}, but the classes are {join_names(classes)}")
    return classes[value]


def _parquet_cells(path: Path, name: str, column: pa.ChunkedArray) -> list[Any]:
    try:
        return list(column.to_pylist())
    except ValueError:
        # Mostly broken UTF-8, which Parquet files can hold. Reading cell by cell finds the row.
        cells: list[Any] = []
        for cell in column:
            try:
                cells.append(cell.as_py())
            except ValueError as error:
                problem = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else f"not readable: {error}"
                raise DataError(f"{path}, row {len(cells) + 1}: {name} is {problem}") from None
        return cells


def _read_json_lines(path: Path) -> ColumnsAndLines:
    rows, lines = [], []
    try:
        with _open_text(path, newline="\n") as file:  # other line separators are legal inside a JSON string
            for number, line in enumerate(file, start=1):
                if line.strip():
                    rows.append(_json_object(path, number, line))
                    lines.append(number)
    except UnicodeDecodeError:
        raise _not_utf8(path, lambda before: f"line {before.count(chr(10)) + 1}") from None
    return _rows_as_columns(rows), lines


def _json_object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not valid JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not readable JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {_not_an_object(row)}")
    return row


def _read_json(path: Path) -> ColumnsAndLines:
    """One array of objects, or an object per line."""
    if not _head(path).lstrip().startswith(b"["):
        return _read_json_lines(path)
    with _open_text(path, newline="") as file:
        try:
            rows = json.load(file)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: not valid JSON: {error}") from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: {_not_an_object(row)}")
    return _rows_as_columns(rows), None


def _not_an_object(row: Any) -> str:
    return f'a JSON {type(row).__name__}, not an object with the columns as keys, as {{"text": "...", "label": "..."}}'


def _rows_as_columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lists of cells by column; None where a row lacks the column."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _read_csv(path: Path, delimiter: str = ",") -> ColumnsAndLines:
    header: list[str] = []
    columns: list[list[str]] = []
    try:
        with _open_text(path, newline="") as file:
            for cells in filter(None, csv.reader(file, delimiter=delimiter, strict=True)):
                if not header:
                    header, columns = cells, [[] for _ in cells]
                elif len(cells) == len(header):
                    for column, cell in zip(columns, cells, strict=True):
                        column.append(cell)
                else:
                    fields = f"{plural(len(cells), 'field')}, but the header has {len(header)}"
                    hint = "; put a text that holds a separator in quotes" if len(cells) > len(header) else ""
                    raise DataError(f"{path}, row {len(columns[0]) + 1}: {fields}{hint}")
    except UnicodeDecodeError:
        raise _not_utf8(path, lambda before: _csv_place(before, delimiter)) from None
    except csv.Error as error:
        place = f"row {len(columns[0]) + 1}" if header else "header"
        raise DataError(f"{path}, {place}: not valid CSV: {error}") from None
    _check_names_differ(path, header)
    return dict(zip(header, columns, strict=True)), None


def _csv_place(before: str, delimiter: str) -> str:
    # Records, not lines, so that a line end inside quotation marks does not shift the row.
    records = [cells for cells in csv.reader(io.StringIO(before + "?", newline=""), delimiter=delimiter) if cells]
    return f"row {len(records) - 1}" if len(records) > 1 else "header"


def _check_names_differ(path: Path, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise DataError(f"{path}: a column name occurs twice: {join_names(names)}")


def _open_text(path: Path, newline: str) -> TextIO:
    """The file as UTF-8 text, to be read in a stream. Raises `DataError` if it is empty or in another encoding."""
    head = _head(path)
    if not head.strip():
        raise DataError(f"{path}: the file is empty")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head[:4]:
        raise DataError(f"{path}: the file is UTF-16 or UTF-32; save it as UTF-8")
    return path.open(encoding="utf-8-sig", newline=newline)


def _head(path: Path) -> bytes:
    """The first bytes of a file, after a byte-order mark."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).removeprefix(codecs.BOM_UTF8)


def _not_utf8(path: Path, place: Callable[[str], str]) -> DataError:
    """The error for a file that is not UTF-8. `place` turns the text before the broken byte into a row or line."""
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from after a byte-order mark if there is one.
        before = error.object[: error.start].decode("utf-8")
        byte = error.object[error.start]
        return DataError(f"{path}, {place(before)}: not valid UTF-8 (byte 0x{byte:02x}); save the file as UTF-8")
    return DataError(f"{path}: the file changed while it was read")


READERS: dict[str, Callable[[Path], ColumnsAndLines]] = {
    ".parquet": _read_parquet,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": lambda path: _read_csv(path, delimiter="\t"),
}
