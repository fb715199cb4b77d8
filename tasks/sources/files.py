"""Reads one file of rows: Parquet, JSON lines, JSON, CSV, TSV, Excel or Arrow. Errors name the file and the row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, in_a_line, join_names, missing_file
from tasks.sources.arrow_files import read_arrow
from tasks.sources.csv_files import read_csv
from tasks.sources.excel_files import read_excel
from tasks.sources.json_files import read_json, read_json_lines
from tasks.sources.parquet_files import cells, is_large, read_thinned, read_whole
from tasks.sources.table import Table, check_names_differ

if TYPE_CHECKING:
    import pyarrow as pa

PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz")
MAX_LINE = 2**20  # characters of a line that are read to tell rows from a card
MAX_VALUES = 2**26  # of a Parquet file of rows: 67 million cells, which are 3 GB as Python's objects
Reader = Callable[[Path, bool], Table]  # of a file, and whether every row of a large one is needed


def read_table(path: Path, whole: bool = False) -> Table:
    """The rows of a file, by the reader for its suffix. Of a large one a sample is read; with `whole`, every row.

    Raises `DataError` if there is no reader, no file or no row, and with `whole` for a file that is too large.
    """
    try:
        if not path.is_file():
            raise missing_file(path)
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            kind = path.suffix or "a file without a suffix"
            unpack = "; unpack it first" if path.suffix.lower() in PACKED else ""
            raise DataError(f"{path}: cannot read {kind}{unpack}; readable: {join_names(READERS)}")
        table = reader(path, whole)
        label_names = label_names_of(path.parent / "dataset.json")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    if not table.columns or not len(table):
        raise DataError(f"{path}: no rows")
    return replace(table, label_names=label_names, origin=path.name)


def label_names_of(card: Path) -> tuple[str, ...] | None:
    """The names of integer labels 0, 1, ... from the card `dataset.json` of a data folder; None without a card."""
    if not card.is_file():
        return None
    try:
        content = json.loads(card.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        if _has_lines(card):
            return None  # rows, as JSON lines, under the name of a card
        raise DataError(f"{card}: not valid JSON: {error}") from None
    names = content.get("label_names") if isinstance(content, dict) else None
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"{card}: label_names must be a list of names")
    return tuple(names) if names else None


def _has_lines(path: Path) -> bool:
    """Whether the first line of a file is a whole JSON object."""
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            return isinstance(json.loads(file.readline(MAX_LINE)), dict)
        except (ValueError, RecursionError):
            return False


def _read_parquet(path: Path, whole: bool) -> Table:
    import pyarrow as pa

    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty")
    try:
        table, schema = _thinned(path, whole) if is_large(path) else _whole(path)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {in_a_line(error)}") from None
    return _with_class_names(table, schema)


def _thinned(path: Path, whole: bool) -> tuple[Table, pa.Schema]:
    """A sample of the rows of a large Parquet file, or all of them."""
    schema, rows = read_thinned(path, MAX_VALUES, whole)
    check_names_differ(str(path), schema.names)
    columns = {name: [row[place] for row in rows.rows] for place, name in enumerate(schema.names)}
    numbers = None if len(rows.rows) == rows.seen else rows.numbers
    return Table(str(path), columns, notes=rows.note, numbers=numbers), schema


def _whole(path: Path) -> tuple[Table, pa.Schema]:
    """All rows of a Parquet file."""
    table = read_whole(path, MAX_VALUES)
    check_names_differ(str(path), table.column_names)
    numbers = range(table.num_rows)
    columns = {name: cells(str(path), name, table.column(name), numbers) for name in table.column_names}
    return Table(str(path), columns), table.schema


def _with_class_names(table: Table, schema: pa.Schema) -> Table:
    """The table with the names of classes in place of their numbers."""
    columns = dict(table.columns)
    for name, classes in _parquet_classes(table.name, schema).items():
        if name in columns:
            columns[name] = [_class_name(table, row, name, classes) for row in range(len(table))]
    return replace(table, columns=columns)


def _parquet_classes(path: str, schema: pa.Schema) -> dict[str, list[str]]:
    """The names of the classes 0, 1, ... by column, from the metadata that the library `datasets` writes."""
    metadata = (schema.metadata or {}).get(b"huggingface")
    if metadata is None:
        return {}
    try:
        features = json.loads(metadata)["info"]["features"]
        classes = {name: feature["names"] for name, feature in features.items() if "ClassLabel" in _kind(feature)}
        if not all(isinstance(names, list) for names in classes.values()):
            raise TypeError("they are no list")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: the names of classes in its metadata cannot be read: {error!r}") from None
    return classes


def _kind(feature: Any) -> str:
    """The type of a column in the metadata of `datasets`; a list of columns has none."""
    return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def _class_name(table: Table, row: int, column: str, classes: list[str]) -> Any:
    """The name of a class that a cell holds as a number; -1 is a missing label, as on the hub."""
    value = table.columns[column][row]
    if value is None or value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(classes):
        table.fail(row, f"{column} is {value!r}, but the classes are {join_names(classes)}")
    return classes[value]


def _always_whole(read: Callable[[Path], Table]) -> Reader:
    """The reader of a format whose files are read whole, up to a limit of their own."""
    return lambda path, whole: read(path)


READERS: dict[str, Reader] = {
    ".parquet": _read_parquet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".xlsx": _always_whole(read_excel),
    ".arrow": _always_whole(read_arrow),
}
