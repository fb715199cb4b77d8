"""Reads a Parquet file as a table of bounded size.

Parquet stores equal values once: a file of 500 bytes can mean a table of many gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError
from tasks.sources.thinning import BUDGET, Thinned

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 8192  # rows that are read at once, at most
BATCH_BYTES = 2**26  # of texts that are read at once, about
BUFFER = 2**20  # bytes of a column that are read at once
MAX_BYTES = 2**31  # of a table: of its columns before compression, and of its texts written out


def read_parquet(source: Path | bytes, most_values: int) -> pa.Table:
    """The table in a Parquet file, which has at most `most_values` values in all columns and `MAX_BYTES` of texts.

    `source`: its path, or its content.

    Raises ValueError for a larger one, before memory is used for it, and pa.ArrowException or OSError for a file that
    is no Parquet file. Its own statements about its size are believed.
    """
    file = opened(source)
    if (size := value_bytes(file)) > MAX_BYTES:
        raise ValueError(f"it has {size / 1e9:.1f} GB of values; a table may have {MAX_BYTES / 1e9:.1f} GB")
    if (size := written_out(file, source, MAX_BYTES)) > MAX_BYTES:
        raise ValueError(f"it has {size / 1e9:.1f} GB of texts; a table may have {MAX_BYTES / 1e9:.1f} GB")
    return whole_table(file, most_values)


def opened(source: Path | bytes, **options: Any) -> pq.ParquetFile:
    """The Parquet file with a path, or with a content."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source, **options)


def read_whole(path: Path, most_values: int) -> pa.Table:
    """The same for a file of which it is known that its bytes are not too many."""
    import pyarrow.parquet as pq

    return whole_table(pq.ParquetFile(path), most_values)  # one file only: a folder named like `label=1` is no column


def whole_table(file: pq.ParquetFile, most_values: int) -> pa.Table:
    """The table in an open file. Raises ValueError for one with too many values."""
    check_count(file, most_values)
    return file.read(use_threads=False)


def is_large(path: Path) -> bool:
    """Whether the values of a file take more memory than the rows of one file may."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    return value_bytes(file) > BUDGET or written_out(file, path, BUDGET) > BUDGET


def read_thinned(path: Path, most_values: int, whole: bool) -> tuple[pa.Schema, Thinned[tuple[Any, ...]]]:
    """The schema and a sample of the rows of a file of any size; with `whole`, all rows, a part at a time.

    Raises as `read_whole`, and `DataError` of `cells` and of `Thinned`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path, buffer_size=BUFFER)
    check_count(file, most_values)
    rows: Thinned[tuple[Any, ...]] = Thinned(path, whole=whole)
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(batch_size(path, group), row_groups=[group], use_threads=False):
            first = rows.seen
            numbers = rows.coming(batch.num_rows)
            batch = batch.take(pa.array([number - first for number in numbers], pa.int64()))
            columns = [
                cells(str(path), *named, numbers) for named in zip(batch.schema.names, batch.columns, strict=True)
            ]
            for number, row in zip(numbers, zip(*columns, strict=True), strict=True):
                rows.keep(number, row, [cell if isinstance(cell, str) else "" for cell in row])
    return file.schema_arrow, rows


def batch_size(path: Path, group: int) -> int:
    """How many rows of a row group are read at once: so few that their texts have about `BATCH_BYTES`.

    A text that is stored once may stand in every row. The first row comes with all of these texts.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    chunks = [chunk for chunk in chunks_of(file, [group]) if chunk.num_values]
    mean = max((chunk.total_uncompressed_size // chunk.num_values for chunk in chunks), default=0)
    stored_once = pq.ParquetFile(path, read_dictionary=text_columns(file), buffer_size=BUFFER)
    first = next(stored_once.iter_batches(1, row_groups=[group], use_threads=False), None)
    longest = max((longest_text(array) for column in first or () for array in dictionaries(column)), default=0)
    return max(1, min(BATCH, BATCH_BYTES // max(mean, longest, 1)))


def cells(name: str, column: str, values: pa.Array | pa.ChunkedArray, numbers: Sequence[int]) -> list[Any]:
    """The values (n,) of a column of the file `name`, whose rows have these numbers in it (from 0).

    Raises `DataError` that names the row of a cell that cannot be read.
    """
    try:
        return list(values.to_pylist())
    except (ValueError, OverflowError):
        # Mostly broken UTF-8, which Parquet files can hold. Reading cell by cell finds the row.
        found: list[Any] = []
        for number, cell in zip(numbers, values, strict=True):
            try:
                found.append(cell.as_py())
            except (ValueError, OverflowError) as error:
                problem = "not valid UTF-8" if isinstance(error, UnicodeDecodeError) else f"not readable: {error}"
                raise DataError(f"{name}, row {number + 1}: {column} is {problem}") from None
        return found


def chunks_of(file: pq.ParquetFile, groups: Iterable[int] | None = None) -> list[Any]:
    """The descriptions of the chunks of columns in a file, or in some of its row groups."""
    meta = file.metadata
    chosen = map(meta.row_group, range(meta.num_row_groups) if groups is None else groups)
    return [group.column(k) for group in chosen for k in range(meta.num_columns)]


def check_count(file: pq.ParquetFile, most_values: int) -> None:
    """Raise ValueError for a table with too many values."""
    if (values := sum(chunk.num_values for chunk in chunks_of(file))) > most_values:
        rows = file.metadata.num_rows
        raise ValueError(f"it has {values:,} values in {rows:,} rows; a table may have {most_values:,}")


def value_bytes(file: pq.ParquetFile) -> int:
    """Bytes of the columns of a file before compression."""
    return sum(chunk.total_uncompressed_size for chunk in chunks_of(file))


def text_columns(file: pq.ParquetFile) -> list[str]:
    """The columns whose equal values may be stored once, by their paths."""
    return sorted({chunk.path_in_schema for chunk in chunks_of(file) if chunk.physical_type == "BYTE_ARRAY"})


def written_out(file: pq.ParquetFile, source: Path | bytes, limit: int) -> int:
    """Bytes of the texts of a file, each written out; 0 where they are surely not above a limit.

    `source` is the path or content of the open file.
    """
    texts = [chunk for chunk in chunks_of(file) if chunk.physical_type == "BYTE_ARRAY"]
    if sum(chunk.num_values * chunk.total_uncompressed_size for chunk in texts) <= limit:
        return 0
    names = text_columns(file)
    table = opened(source, read_dictionary=names).read(columns=names, use_threads=False)
    return sum(text_bytes(chunk) for column in table.columns for chunk in column.chunks)


def text_bytes(array: pa.Array) -> int:
    """Bytes of the texts of an array of dictionaries, or of an array of which these are parts, if written out."""
    import pyarrow.compute as pc

    lengths = (pc.take(pc.binary_length(part.dictionary), part.indices) for part in dictionaries(array))
    return sum(pc.sum(length).as_py() or 0 for length in lengths)


def longest_text(array: pa.DictionaryArray) -> int:
    """Bytes of the longest text that an array of dictionaries stores."""
    import pyarrow.compute as pc

    return pc.max(pc.binary_length(array.dictionary)).as_py() or 0


def dictionaries(array: pa.Array) -> Iterator[pa.DictionaryArray]:
    """The arrays of dictionaries that an array is or holds."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        yield array
    elif pa.types.is_map(array.type):
        yield from dictionaries(array.keys)
        yield from dictionaries(array.items)
    elif pa.types.is_nested(array.type):
        parts = array.flatten()
        for part in parts if isinstance(parts, list) else [parts]:
            yield from dictionaries(part)
