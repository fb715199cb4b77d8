"""Files that are too large for memory: a sample of their rows is read, with a note, or a line says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks import DataError
from tasks.sources import arrow_files, json_files, parquet_files, thinning
from tasks.sources.files import read_table
from tasks.sources.places import read_place

ROWS = 1000
FRAME = pd.DataFrame({"text": [f"text number {i}" for i in range(ROWS)], "label": ["a", "b"] * (ROWS // 2)})


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "BUDGET", 40_000)
    monkeypatch.setattr(parquet_files, "BUDGET", 5_000)


def write(path: Path) -> Path:
    if path.suffix == ".parquet":
        FRAME.to_parquet(path)
    elif path.suffix in (".jsonl", ".json"):
        FRAME.to_json(path, orient="records", lines=True)
    else:
        FRAME.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_sample_of_the_rows_is_read(tmp_path: Path, suffix: str) -> None:
    table = read_table(write(tmp_path / f"rows{suffix}"))
    assert table.numbers is not None
    assert 100 < len(table) < 500
    assert table.columns["text"] == [f"text number {number}" for number in table.numbers]
    assert table.columns["label"] == ["ab"[number % 2] for number in table.numbers]
    assert table.notes == (
        f"a random {len(table)} of the 1,000 rows of rows{suffix}, which is too large for memory, were read, the "
        "same each time",
    )
    assert read_table(tmp_path / f"rows{suffix}").numbers == table.numbers
    assert abs(sum(table.numbers) / len(table) - ROWS / 2) < ROWS / 8, "from all parts of the file"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json", ".parquet"])
def test_every_row_is_read_where_it_is_needed(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / f"rows{suffix}")
    table = read_place(str(path), "test", whole=True)
    assert table.columns["text"] == FRAME["text"].tolist()
    assert (table.numbers, table.notes) == (None, ())
    monkeypatch.setattr(thinning, "MOST", 60_000)
    said = rf"rows{suffix}: its rows take more than 0\.0 GB of memory, and every row is needed here; cut the file into"
    with pytest.raises(DataError, match=said):
        read_place(str(path), "test", whole=True)
    assert len(read_table(path)) < ROWS, "elsewhere a sample will do"


def test_an_error_names_the_row_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv")
    with path.open("a") as file:
        file.write("one,two,three\n")
    with pytest.raises(DataError, match="row 1001: 3 fields, but the header has 2"):
        read_table(path)


def test_what_is_read_whole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "MAX_BYTES", 5_000)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(FRAME.to_dict("records")))
    with pytest.raises(DataError, match=r"JSON other than lines is read whole, up to 0 MB; write an object per line"):
        read_table(path)
    FRAME.to_json(path, orient="records", lines=True)
    assert len(read_table(path)) < ROWS, "lines are thinned"
    from datasets import Dataset

    Dataset.from_pandas(FRAME).save_to_disk(tmp_path / "saved")
    monkeypatch.setattr(arrow_files, "MAX_BYTES", 5_000)
    with pytest.raises(DataError, match="at most 0 MB are read at once; select fewer rows, or write JSON lines"):
        read_table(next((tmp_path / "saved").glob("*.arrow")))


def test_a_parquet_file_of_any_size_is_thinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "MAX_BYTES", 10_000)
    monkeypatch.setattr(parquet_files, "BATCH", 100)
    monkeypatch.setattr(parquet_files, "BATCH_BYTES", 300)
    (tmp_path / "csv").mkdir()
    table = read_table(write(tmp_path / "rows.parquet"))
    assert table.columns == read_table(write(tmp_path / "csv" / "rows.csv")).columns, (
        "the same rows as of other formats"
    )
    FRAME.drop(columns="label").assign(label=[["a"], ["b"]] * (ROWS // 2)).to_parquet(tmp_path / "nested.parquet")
    assert read_table(tmp_path / "nested.parquet").columns["label"][0] in (["a"], ["b"])


def test_large_parquet_files_are_checked_as_small_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    columns = [pa.array(FRAME["text"]), pa.array(FRAME["label"])]
    pq.write_table(pa.table(columns, names=["text", "text"]), path)
    with pytest.raises(DataError, match="a column name occurs twice"):
        read_table(path)
    broken = pa.array([b"fine"] * 700 + [b"br\xffken"] + [b"fine"] * 299, pa.binary())
    pq.write_table(pa.table({"text": broken.cast(pa.string(), safe=False), "label": columns[1]}), path)
    with pytest.raises(DataError, match=r"rows\.parquet, row 701: text is not valid UTF-8"):
        read_table(path)


def test_names_of_classes_in_a_large_parquet_file(tmp_path: Path) -> None:
    """A class that has no name is an error that names the row of the file."""
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})
    rows = {"text": FRAME["text"].tolist(), "label": [0, 1] * (ROWS // 2)}
    path = tmp_path / "rows.parquet"
    Dataset.from_dict(rows, features).to_parquet(path)
    table = read_table(path)
    assert table.numbers is not None
    assert table.columns["label"] == ["ab"[number % 2] for number in table.numbers]
    number = table.numbers[-1]
    odd = pq.read_table(path)
    labels = [*rows["label"][:number], 7, *rows["label"][number + 1 :]]
    pq.write_table(odd.set_column(1, odd.schema.field("label"), pa.array(labels, pa.int64())), path)
    with pytest.raises(DataError, match=f"row {number + 1}: label is 7, but the classes are a, b"):
        read_table(path)
