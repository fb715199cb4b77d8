"""Reads and writes the Parquet files of a store. Size is checked before any value is read, then kinds of columns."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UserError
from bench.store.files import whole_folder
from bench.store.folders import State, finish, state
from bench.store.layout import precomputed_path
from bench.store.leases import exclusive
from tasks import Rows
from tasks.errors import join_names
from tasks.sources.parquet_files import read_parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

MAX_VALUES = 2**28  # of a table: 2 GB of 8-byte numbers
# Of a column: whole numbers, all present, each of them once; whole numbers, all present; numbers or none; texts.
Kind = Literal["key", "whole", "number", "text"]
REMEDY = "remove its folder and run again"


def read_table(path: Path, columns: Mapping[str, Kind], what: str = "") -> pd.DataFrame:
    """The table in a Parquet file with all its columns.

    `columns`: the kinds of those that it must have; a name that ends in `*` means at least one that begins like this,
    one that then ends in `?` may be absent. `what` is how errors call the file, if not by its path.
    Raises UserError for a file that is missing, too large or no Parquet file, or that lacks a column.
    """
    with readable(what or path):
        frame: pd.DataFrame = with_columns(path, columns).to_pandas()
    return frame


def read_columns(source: Path | bytes, columns: Mapping[str, Kind], what: str = "") -> dict[str, NDArray[Any]]:
    """All columns of the table in a Parquet file, by name. For small files a fifth of the time of `read_table`.

    `source`: the path of the file, or its content, which needs `what`. Errors are those of `read_table`.
    """
    with readable(what or str(source)):
        table = with_columns(source, columns)
        return {name: array_of(column) for name, column in zip(table.column_names, table.columns, strict=True)}


def array_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """The values of a column. Those of numbers in each row need no pandas, whose import takes as long as 300 cells."""
    import numpy as np
    from pyarrow import types

    if column.null_count or not (types.is_integer(column.type) or types.is_floating(column.type)):
        return np.asarray(column.to_numpy())
    return np.from_dlpack(column.combine_chunks())


def write_columns(frame: pd.DataFrame, path: Path) -> None:
    """Write a table without its index. Float32 numbers in id order take half the space of pandas' defaults."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    kinds = {"float": "BYTE_STREAM_SPLIT", "double": "BYTE_STREAM_SPLIT", "int64": "DELTA_BINARY_PACKED"}
    encodings = {field.name: kinds[str(field.type)] for field in table.schema if str(field.type) in kinds}
    others = [name for name in table.column_names if name not in encodings]
    pq.write_table(
        table, path, compression="zstd", use_dictionary=others, column_encoding=encodings, write_statistics=False
    )


def save_absent(
    root: Path, kind: str, file: str, parts: Mapping[str, Rows], columns: Callable[[Rows], Mapping[str, Any]]
) -> None:
    """Write the precomputed tables of a kind that the store lacks, by their ids: the columns of each part's rows."""
    import pandas as pd

    for identity, rows in parts.items():
        folder = precomputed_path(root, kind, identity)
        if state(folder) is State.DONE:
            continue
        with exclusive(root):  # another run may be about to write the same rows
            if state(folder) is State.DONE:
                continue
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or left half-written
            with whole_folder(folder) as part:
                pd.DataFrame(columns(rows)).to_parquet(part / file, index=False)
                finish(part, {"rows": len(rows)}, folder.name)


@contextlib.contextmanager
def readable(what: str | Path) -> Iterator[None]:
    """Raise UserError, which calls the file `what`, for the errors of a file that cannot be read in the block."""
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror or error}; {REMEDY}") from error
    except (pa.ArrowException, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{what} cannot be read: {error}; {REMEDY}") from error


def with_columns(source: Path | bytes, columns: Mapping[str, Kind]) -> pa.Table:
    """The table in a Parquet file. Raises ValueError where it lacks a column, or a column is of another kind."""
    table = read_parquet(source, MAX_VALUES)
    for name, kind in columns.items():
        wanted = name.removesuffix("?")
        if wanted == name or any(fits(wanted, column) for column in table.column_names):
            check_columns(table, wanted, kind)
    return table


def fits(name: str, column: str) -> bool:
    """Whether a column has a name, or begins like it if it ends in `*`."""
    return column.startswith(name[:-1]) if name.endswith("*") else column == name


def check_columns(table: pa.Table, name: str, kind: Kind) -> None:
    """Raise ValueError unless a table has the columns of a name, with values of a kind."""
    found = [values for values in zip(table.column_names, table.columns, strict=True) if fits(name, values[0])]
    if not found:
        raise ValueError(f"it has no column {name}; columns: {join_names(table.column_names)}")
    for column, values in found:
        if not is_of(values, kind):
            wanted = {"key": "whole number", "whole": "whole number"}.get(kind, kind)
            raise ValueError(f"column {column} has values of type {values.type} or none, not a {wanted} in each row")
        if kind == "key" and len(values.unique()) < len(values):
            raise ValueError(f"column {column} has a value in several rows")


def is_of(values: pa.ChunkedArray, kind: Kind) -> bool:
    """Whether the type of a column is that of a kind, and a value is in each row where the kind wants it."""
    from pyarrow import types

    if kind == "text":
        known = (types.is_string, types.is_large_string, types.is_dictionary)
        return any(is_type(values.type) for is_type in known)
    if kind == "number" and types.is_floating(values.type):
        return True
    return types.is_integer(values.type) and not values.null_count
