"""Reads a Parquet file as a table of bounded size.

Parquet stores equal values once: a file of 500 bytes can mean a table of many gigabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.sources.thinning import BUDGET, Thinned

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 8192  # rows that are read at once
MAX_BYTES = 2**31  # of a table: of its columns before compression, and of its texts written out


def read_parquet(path: Path, most_values: int) -> pa.Table:
    """The table in a Parquet file, which has at most `most_values` values in all columns and `MAX_BYTES` of texts.

    Raises ValueError for a larger one, before memory is used for it, and pa.ArrowException or OSError for a file that
    is no Parquet file. Its own statements about its size are believed.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)  # one file only: a folder named like `label=1` must not become a column
    check_size(file, path, most_values)
    return file.read(use_threads=False)


def is_large(path: Path) -> bool:
    """Whether the values of a file take more memory than the rows of one file may."""
    import pyarrow.parquet as pq

    meta = pq.ParquetFile(path).metadata
    groups = (meta.row_group(group) for group in range(meta.num_row_groups))
    return bool(sum(group.total_byte_size for group in groups) > BUDGET)


def read_thinned(path: Path, most_values: int) -> tuple[pa.Schema, Thinned[tuple[Any, ...]]]:
    """The schema and a sample of the rows of a large file of rows. Raises as `read_parquet`."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    check_size(file, path, most_values)
    rows: Thinned[tuple[Any, ...]] = Thinned()
    for batch in file.iter_batches(BATCH, use_threads=False):
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            rows.add(cells, [cell if isinstance(cell, str) else "" for cell in cells])
    return file.schema_arrow, rows


def check_size(file: pq.ParquetFile, path: Path, most_values: int) -> None:
    """Raise ValueError for a table that is too large. `path` is that of the open file."""
    import pyarrow.parquet as pq

    meta = file.metadata
    chunks = [meta.row_group(group).column(k) for group in range(meta.num_row_groups) for k in range(meta.num_columns)]
    if (values := sum(chunk.num_values for chunk in chunks)) > most_values:
        raise ValueError(f"it has {values:,} values in {meta.num_rows:,} rows; a table may have {most_values:,}")
    if (size := sum(chunk.total_uncompressed_size for chunk in chunks)) > MAX_BYTES:
        raise ValueError(f"it has {size / 1e9:.1f} GB of values; a table may have {MAX_BYTES / 1e9:.1f} GB")
    texts = [chunk for chunk in chunks if chunk.physical_type == "BYTE_ARRAY"]
    if sum(chunk.num_values * chunk.total_uncompressed_size for chunk in texts) <= MAX_BYTES:
        return
    names = sorted({chunk.path_in_schema for chunk in texts})
    table = pq.ParquetFile(path, read_dictionary=names).read(columns=names, use_threads=False)
    if (size := sum(text_bytes(chunk) for column in table.columns for chunk in column.chunks)) > MAX_BYTES:
        raise ValueError(f"it has {size / 1e9:.1f} GB of texts; a table may have {MAX_BYTES / 1e9:.1f} GB")


def text_bytes(array: pa.Array) -> int:
    """Bytes of the texts of an array of dictionaries, or of an array of which these are parts, if written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        return pc.sum(pc.take(pc.binary_length(array.dictionary), array.indices)).as_py() or 0
    if pa.types.is_map(array.type):
        return text_bytes(array.keys) + text_bytes(array.items)
    if pa.types.is_nested(array.type):
        parts = array.flatten()
        return sum(map(text_bytes, parts)) if isinstance(parts, list) else text_bytes(parts)
    return 0
