"""The file that `--to` names: checked before anything is computed for it, and a table written by its suffix."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UserError
from bench.spreadsheets import csv_of
from bench.store.files import plain_json, replacing
from tasks.errors import join_names, user_path

if TYPE_CHECKING:
    import pandas as pd


def writable(path: Path, reads: Iterable[object] = ()) -> None:
    """Raise UserError for a path at which no file can be written, or that is one of the files that the command reads.

    `reads` may hold anything that stands for rows; only files are compared.
    """
    if path.is_dir():
        raise UserError(f"--to {path} is a folder; give it the name of a file")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UserError(f"--to {path}: {parent} is a file, not a folder")
    if not os.access(parent, os.W_OK):
        raise UserError(f"--to {path}: cannot write to {parent}: permission denied; name another folder")
    files = [user_path(file) for file in reads if isinstance(file, str | Path)]
    if path.exists() and any(file.exists() and file.samefile(path) for file in files):
        raise UserError(f"--to {path} is a file that this command reads, and would be replaced; give another name")


def writable_table(path: Path, reads: Iterable[object] = ()) -> None:
    """The same for a table, which also needs a suffix that has a writer."""
    writable(path, reads)
    if path.suffix.lower() not in WRITERS:
        raise UserError(f"--to {path}: the name must end in {join_names(list(WRITERS))}")


def write_table(frame: pd.DataFrame, path: Path) -> Iterator[str]:
    """Write a table by the suffix of its path, in a new folder too; yields a line on texts changed for spreadsheets.

    Raises UserError for a column that the format cannot hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        escaped = WRITERS[path.suffix.lower()](frame, part)
    if escaped:
        texts = "text looks like a formula" if escaped == 1 else "texts look like formulas"
        yield (
            f"{escaped:,} {texts} to a spreadsheet and got an apostrophe (') in front; a .jsonl or .parquet file has "
            "all texts unchanged"
        )


def check_columns(columns: Mapping[str, Sequence[Any]], path: Path) -> None:
    """Raise UserError for columns that a table of the path's format cannot hold."""
    import pandas as pd
    import pyarrow as pa

    if path.suffix.lower() == ".parquet":
        try:
            pa.Table.from_pandas(
                pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
            )
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise not_parquet(error) from error


def not_parquet(error: Exception) -> UserError:
    """The error for a column whose values Parquet cannot hold together."""
    reason = ", ".join(map(str, error.args))
    return UserError(f"the table cannot be written as Parquet ({reason}); a .jsonl file holds any columns")


def to_csv(frame: pd.DataFrame, path: Path) -> int:
    """Write CSV and return how many cells were escaped: `'` before a text that a spreadsheet takes for a formula."""
    content, escaped = csv_of(frame)
    path.write_bytes(content.encode("utf-8", "backslashreplace"))  # half a character has no other form
    return escaped


def to_parquet(frame: pd.DataFrame, path: Path) -> int:
    """Write Parquet, whose columns have one type each."""
    import pyarrow as pa

    try:
        frame.to_parquet(path, index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise not_parquet(error) from error
    return 0


def to_jsonl(frame: pd.DataFrame, path: Path) -> int:
    """Write JSON lines."""
    cells = frame.astype(object).where(frame.notna(), None)
    rows = (dict(zip(frame.columns, row, strict=True)) for row in cells.itertuples(index=False, name=None))
    path.write_bytes(json_lines(rows))
    return 0


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A line of JSON for each row. Any cell has a form: see `plain_json`."""
    text = "".join(json.dumps(plain_json(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")  # of half a character, the escape that JSON has for it


WRITERS: Mapping[str, Callable[[Any, Path], int]] = {".csv": to_csv, ".parquet": to_parquet, ".jsonl": to_jsonl}
