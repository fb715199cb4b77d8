"""Reads the first sheet of an Excel workbook (.xlsx) with the library `python-calamine`."""

from __future__ import annotations

import re
import zipfile
import zlib
from datetime import date, time
from pathlib import Path
from typing import Any

from tasks.errors import DataError, in_a_line, join_names
from tasks.sources.encodings import OLD_EXCEL
from tasks.sources.table import Table, check_names_differ

MAX_BYTES = 2**29  # of the parts of a workbook after decompression
MAX_ROWS = 2**20  # of a sheet, as Excel has it
MAX_CELLS = 2**24  # of a sheet's rectangle from A1 to its last cell, empty cells included
PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,8})(\d{1,16})["']""")  # of a cell, such as r="B12"
CHUNK = 2**20
INSTALL = "reading Excel workbooks needs: pip install 'data-weighting-bench[excel]'; or save the sheet as CSV"


def read_excel(path: Path) -> Table:
    """The rows of the first sheet with cells; its first row has the names of the columns.

    Numbers and dates become text, as in a CSV file of the sheet. Raises `DataError` for what is no workbook or is too
    large.
    """
    try:
        import python_calamine
    except ImportError:
        raise DataError(f"{path}: {INSTALL}") from None
    _check_size(path)
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        sheets = {name: workbook.get_sheet_by_name(name) for name in workbook.sheet_names}
        filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
        name, sheet = next(iter(filled.items()), ("", None))
        cells = [] if sheet is None else sheet.to_python()
        first = 1 if sheet is None or sheet.start is None else sheet.start[0] + 1
    except python_calamine.PasswordError:
        raise DataError(f"{path}: the workbook is protected by a password; save it without one") from None
    except python_calamine.CalamineError as error:
        raise DataError(f"{path}: not a readable Excel workbook: {in_a_line(error)}") from None
    filled_rows = [(number, row) for number, row in enumerate(cells, first) if row.count("") < len(row)]
    rows = [(number, [_text(cell) for cell in row]) for number, row in filled_rows]
    if not rows:
        return Table(str(path), {})
    (_, header), *rows = rows
    names = [cell or f"column {place}" for place, cell in enumerate(header, 1)]
    check_names_differ(str(path), names)
    columns = {column: [row[place] for _, row in rows] for place, column in enumerate(names)}
    kept = {column: columns[column] for column, cell in zip(names, header, strict=True) if cell or any(columns[column])}
    others = [other for other in filled if other != name]
    notes = (f"of {path.name}, sheet {name!r} was read, not {join_names(others)}",) if others else ()
    return Table(str(path), kept, lines=[number for number, _ in rows], notes=notes)


def _text(cell: Any) -> str | None:
    """A cell as the text that a CSV file of the sheet would have; None if it is empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, date | time):
        cell = cell.isoformat()
    return str(cell) or None


def _check_size(path: Path) -> None:
    """Raise `DataError` for a workbook that needs far more memory than its file is long.

    The reader makes a whole rectangle of cells of a sheet, so a cell in the last row and column would fill the memory.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
            if size > MAX_BYTES:
                raise DataError(
                    f"{path}: the workbook has {size / 1e6:,.0f} MB, and one may have {MAX_BYTES / 1e6:,.0f}; save it "
                    "as CSV, which is read as a stream"
                )
            for part in parts.infolist():
                if part.filename.startswith("xl/worksheets/"):
                    _check_rectangle(path, parts, part)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        if path.read_bytes().startswith(OLD_EXCEL):
            return  # an encrypted workbook, or one of Excel 97: the reader says which
        raise DataError(f"{path}: not a readable Excel workbook: {error}") from None


def _check_rectangle(path: Path, parts: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    last_row, last_column, rest, read = 0, 0, b"", 0
    with parts.open(part) as sheet:
        while chunk := sheet.read(CHUNK):
            read += len(chunk)
            if read > MAX_BYTES:
                raise DataError(f"{path}: a sheet is longer than the workbook says")
            text = rest + chunk
            for column, row in set(PLACE.findall(text)):
                last_row, last_column = max(last_row, int(row)), max(last_column, _column_number(column))
            rest = text[-64:]
    if last_row > MAX_ROWS:
        raise DataError(f"{path}: not a readable Excel workbook: a sheet has no row {last_row:,}, only {MAX_ROWS:,}")
    if last_row * last_column > MAX_CELLS:
        raise DataError(
            f"{path}: a sheet goes to row {last_row:,} and column {last_column:,}, which are too many cells; delete "
            "empty rows and columns at its end, or save it as CSV"
        )


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number
