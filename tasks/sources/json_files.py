"""Reads JSON lines, and JSON as an array of objects or as an object of columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from tasks.errors import DataError, join_names
from tasks.sources.encodings import read_text
from tasks.sources.table import Table, rows_as_columns


def read_json_lines(path: Path) -> Table:
    """The rows of a file with an object per line. Raises `DataError` that names the line of a problem."""

    def read(file: TextIO) -> tuple[list[dict[str, Any]], list[int]]:
        rows, lines = [], []
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(_object(path, number, line))
                lines.append(number)
        return rows, lines

    # Other line separators than "\n" are legal inside a JSON string.
    (rows, lines), notes = read_text(path, "\n", read, lambda before: f"line {before.count(chr(10)) + 1}")
    return Table(str(path), rows_as_columns(rows), lines, notes=notes)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not valid JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}: not readable JSON: {error}") from None
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {_not_an_object(row)}")
    return row


def read_json(path: Path) -> Table:
    """The rows of an array of objects, of an object of columns, or of a file with an object per line."""
    value, notes = read_text(path, "", _whole_value, lambda before: f"line {before.count(chr(10)) + 1}")
    if value is None:
        return read_json_lines(path)
    if isinstance(value, ValueError | RecursionError):
        raise DataError(f"{path}: not valid JSON: {value}")
    if isinstance(value, dict):
        return Table(str(path), _columns(path, value), notes=notes)
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: {_not_an_object(row)}")
    return Table(str(path), rows_as_columns(value), notes=notes)


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
    return value if by_columns else None


def _parsed(file: TextIO) -> Any:
    file.seek(0)
    try:
        return json.load(file)
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        return error


def _columns(path: Path, value: dict[str, Any]) -> dict[str, list[Any]]:
    """Columns of equal length, each a list of cells or (as pandas writes it) an object of cells by row."""
    columns = {name: list(cells.values() if isinstance(cells, dict) else cells) for name, cells in value.items()}
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = join_names(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(f"{path}: the columns have different numbers of rows: {listed}")
    return columns


def _not_an_object(row: Any) -> str:
    return f'a JSON {type(row).__name__}, not an object with the columns as keys, as {{"text": "...", "label": "..."}}'
