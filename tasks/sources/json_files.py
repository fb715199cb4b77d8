"""Reads JSON lines, and JSON as an array of objects or as an object of columns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from tasks.errors import DataError, join_names
from tasks.sources.encodings import read_text
from tasks.sources.table import Table, rows_as_columns
from tasks.sources.thinning import Thinned

MAX_BYTES = 2**27  # of a file that is read whole; as Python's objects it takes about six times as much


def read_json_lines(path: Path, whole: bool = False) -> Table:
    """The rows of a file with an object per line; with `whole`, all of a large one too.

    Raises `DataError` that names the line of a problem.
    """

    def read(file: TextIO) -> Thinned[tuple[int, dict[str, Any]]]:
        rows: Thinned[tuple[int, dict[str, Any]]] = Thinned(path, whole=whole)
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.add((number, _object(path, number, line)), (line,))
        return rows

    # Other line separators than "\n" are legal inside a JSON string.
    rows, notes = read_text(path, "\n", read, lambda before: f"line {before.count(chr(10)) + 1}")
    columns, lines = rows_as_columns([row for _, row in rows.rows]), [number for number, _ in rows.rows]
    numbers = None if len(rows.rows) == rows.seen else rows.numbers
    return Table(str(path), columns, lines, notes=(*notes, *rows.note), numbers=numbers)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=once_each)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not valid JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not readable JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {_not_an_object(row)}")
    return row


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its keys and values. Raises ValueError for a key that occurs twice; `json` alone keeps the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice} is given twice")
    return values


def read_json(path: Path, whole: bool = False) -> Table:
    """The rows of an array of objects, of an object of columns, or of a file with an object per line."""
    _check_size(path)
    value, notes = read_text(path, "", _whole_value, lambda before: f"line {before.count(chr(10)) + 1}")
    if value is None:
        return read_json_lines(path, whole)
    if isinstance(value, ValueError | RecursionError):
        raise DataError(f"{path}: not valid JSON: {value}")
    if isinstance(value, dict):
        return Table(str(path), _columns(path, value), notes=notes)
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: {_not_an_object(row)}")
    return Table(str(path), rows_as_columns(value), notes=notes)


def _check_size(path: Path) -> None:
    """Raise `DataError` for an array or object of columns that is too large; a file of lines is read as a stream."""
    if path.stat().st_size <= MAX_BYTES:
        return
    with path.open("rb") as file:
        first = file.readline(MAX_BYTES)
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        raise DataError(
            f"{path}: {path.stat().st_size / 1e6:,.0f} MB, but JSON other than lines is read whole, up to "
            f"{MAX_BYTES / 1e6:,.0f} MB; write an object per line (.jsonl)"
        ) from None


def _whole_value(file: TextIO) -> Any:
    """The array or object of columns that a file is, or the error of an array; None if each line is an object."""
    first = next((line for line in file if line.strip()), "").lstrip()  # "": separators alone, which are not JSON
    if first.startswith("["):
        return _parsed(file)
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        value = _parsed(file)  # an object over several lines
    else:
        if any(line.strip() for line in file):
            return None
    cells = list(value.values()) if isinstance(value, dict) else []
    by_columns = cells and (all(isinstance(cell, list) for cell in cells) or all(isinstance(c, dict) for c in cells))
    return _parsed(file) if by_columns else None


def _parsed(file: TextIO) -> Any:
    file.seek(0)
    try:
        return json.load(file, object_pairs_hook=once_each)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        return error


def _columns(path: Path, value: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns of equal length, each a list of cells or (as pandas writes it) an object of cells by row."""
    first, rows = next(iter(value.items()))
    if isinstance(rows, dict):
        for name, cells in value.items():
            if other := next(iter(rows.keys() ^ cells.keys()), None):
                raise DataError(f"{path}: row {other!r} is in one of the columns {first} and {name}, not in both")
        return {name: [cells[row] for row in rows] for name, cells in value.items()}
    columns = dict(value)
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = join_names(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(f"{path}: the columns have different numbers of rows: {listed}")
    return columns


def _not_an_object(row: Any) -> str:
    return f'a JSON {type(row).__name__}, not an object with the columns as keys, as {{"text": "...", "label": "..."}}'
