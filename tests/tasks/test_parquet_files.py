"""A small Parquet file that means gigabytes is refused, with little memory; other tables are what pyarrow reads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.errors import UserError
from bench.store.tables import read_table
from tasks.errors import DataError
from tasks.sources import files, parquet_files, thinning
from tasks.sources.parquet_files import batch_size, read_parquet, text_bytes

ROWS, LETTERS = 4300, 10**6  # 4.3 GB of text


def repeated(text: str, rows: int) -> pa.Array:
    """The same text in each row, in the memory of one."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A file of less than a kilobyte whose texts have 4.3 GB."""
    table = pa.table({"text": repeated("a" * LETTERS, ROWS), "label": repeated("x", ROWS)})
    pq.write_table(table, tmp_path / "rows.parquet", compression="zstd", store_schema=False)
    assert (tmp_path / "rows.parquet").stat().st_size < 1000
    return tmp_path / "rows.parquet"


def test_repeated_texts_are_counted_before_they_are_written_out(bomb: Path) -> None:
    with pytest.raises(UserError, match=r"4\.3 GB of texts; a table may have 2\.1 GB"):
        read_table(bomb, {"text": "text"})
    assert pa.default_memory_pool().max_memory() < 10**9


def test_repeated_texts_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, size = tmp_path / "rows.parquet", 10**5
    table = pa.table({"text": repeated("a" * size, 5000), "label": repeated("x", 5000)})
    pq.write_table(table, path, compression="zstd", store_schema=False)
    monkeypatch.setattr(thinning, "BUDGET", 20 * size)
    monkeypatch.setattr(parquet_files, "BUDGET", 20 * size)
    monkeypatch.setattr(parquet_files, "BATCH_BYTES", 10 * size)
    before = pa.default_memory_pool().bytes_allocated()
    assert batch_size(path, 0) == 10
    read = files.read_table(path)
    assert len(read) < 20
    assert set(read.columns["text"]) == {"a" * size}
    assert read.notes[0].startswith(f"a random {len(read)} of the 5,000 rows of rows.parquet, which is too large")
    assert pa.default_memory_pool().bytes_allocated() <= before


def test_nested_repeated_texts_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    word = repeated("word", 6)
    columns = {
        "list": pa.ListArray.from_arrays([0, 2, 4, 6], word),
        "struct": pa.StructArray.from_arrays([word.slice(0, 3), pa.array([1, 2, 3])], ["a", "b"]),
        "map": pa.MapArray.from_arrays([0, 2, 4, 6], word, word),
        "missing": pa.array([None, "word", None]).dictionary_encode(),
    }
    sizes = {name: text_bytes(column) for name, column in columns.items()}
    assert sizes == {"list": 24, "struct": 12, "map": 48, "missing": 4}
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.table(columns), path, store_schema=False)
    assert read_parquet(path, 1000).to_pylist() == pq.read_table(path).to_pylist()
    monkeypatch.setattr(parquet_files, "check_count", lambda *_: None)
    assert read_parquet(path, 0).num_rows == 3, "nothing else refuses it"


def test_many_equal_values_are_refused_by_their_number(tmp_path: Path) -> None:
    path = tmp_path / "nothing.parquet"
    with pq.ParquetWriter(path, pa.schema([("id", pa.int8())])) as writer:
        for _ in range(14):
            writer.write_table(pa.table({"id": pa.nulls(5 * 10**6, pa.int8())}))
    assert path.stat().st_size < 200_000
    with pytest.raises(DataError, match="70,000,000 values in 70,000,000 rows; a table may have 67,108,864"):
        files.read_table(path)


def test_bytes_before_compression_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": list(range(1000))}), path)
    monkeypatch.setattr(parquet_files, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="GB of values; a table may have"):
        read_parquet(path, 10**6)
