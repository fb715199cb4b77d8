"""Reads CSV and TSV files. The separator is detected."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO

from tasks.errors import DataError, plural
from tasks.sources.encodings import read_text
from tasks.sources.table import Table, check_names_differ
from tasks.sources.thinning import Thinned

csv.field_size_limit(2**31 - 1)  # a text may be as long in CSV as in the other formats
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
USUAL = {".csv": ",", ".tsv": "\t"}
SAMPLE = 2**16  # characters from which the separator is detected
RECORDS = 50  # at most, of the sample
# The header, the rows, and the numbers (from 0) of rows that may be several, which an open quotation mark joined.
Read = tuple[list[str], Thinned[list[str]], list[int]]


def read_csv(path: Path, whole: bool = False) -> Table:
    """The rows of a CSV or TSV file; with `whole`, all of a large one too.

    Raises `DataError` that names the row of a problem.
    """
    usual = separator = USUAL[path.suffix.lower()]

    def read(file: TextIO) -> Read:
        nonlocal separator
        sample = file.read(SAMPLE)
        separator = separator_of(sample, usual)
        file.seek(0)
        return _rows(path, file, separator, whole)

    (header, rows, joined), notes = read_text(path, "", read, lambda before: _place(before, separator))
    if joined:
        notes = (
            *notes,
            f"in {path.name}, {plural(len(joined), 'row')} with a text that holds tabs and line ends (first: row "
            f"{joined[0] + 1}); if a quotation mark was left open there, it swallowed the rows behind it",
        )
    if separator != usual:
        notes = (*notes, f"a {SEPARATORS[separator]} separates the columns of {path.name}")
    columns = {name: [cells[place] for cells in rows.rows] for place, name in enumerate(header)}
    numbers = None if len(rows.rows) == rows.seen else rows.numbers
    return Table(str(path), columns, notes=(*notes, *rows.note), numbers=numbers)


def separator_of(sample: str, usual: str) -> str:
    """The separator that cuts the header of a sample into the most columns and all its records into as many.

    The usual one wins ties and is the answer where none cuts the header.
    """
    by_separator = {char: _widths(sample, char) for char in (usual, *SEPARATORS)}
    candidates = {char: widths for char, widths in by_separator.items() if widths and widths[0] > 1}
    return max(
        candidates or [usual],
        key=lambda char: (len(set(by_separator[char])) == 1, by_separator[char][:1], char == usual),
    )


def _widths(sample: str, separator: str) -> list[int]:
    """The number of fields of each complete record of a sample."""
    records = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
    try:
        widths = [len(cells) for cells in islice(records, RECORDS) if cells]
    except csv.Error:
        return []
    cut = len(sample) == SAMPLE and len(widths) > 1  # the last record may go on behind the sample
    return widths[:-1] if cut else widths


def _rows(path: Path, file: TextIO, separator: str, whole: bool) -> Read:
    header, joined = list[str](), list[int]()
    rows: Thinned[list[str]] = Thinned(path, whole=whole)
    try:
        for cells in filter(None, csv.reader(file, delimiter=separator, strict=True)):
            if not header:
                header = cells
            elif len(cells) == len(header):
                if separator == "\t" and any("\t" in cell and "\n" in cell for cell in cells):
                    joined.append(rows.seen)
                rows.add(cells, cells)
            else:
                raise DataError(f"{path}, row {rows.seen + 1}: {_wrong_width(cells, header)}")
    except csv.Error as error:
        place = f"row {rows.seen + 1}" if header else "header"
        raise DataError(f"{path}, {place}: not valid CSV: {error}") from None
    check_names_differ(str(path), header)
    return header, rows, joined


def _wrong_width(cells: Sequence[str], header: Sequence[str]) -> str:
    hint = "; put a text that holds a separator in quotes" if len(cells) > len(header) else ""
    return f"{plural(len(cells), 'field')}, but the header has {len(header)}{hint}"


def _place(before: str, separator: str) -> str:
    # Records, not lines, so that a line end inside quotation marks does not shift the row.
    records = [cells for cells in csv.reader(io.StringIO(before + "?", newline=""), delimiter=separator) if cells]
    return f"row {len(records) - 1}" if len(records) > 1 else "header"
