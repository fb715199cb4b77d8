"""Separators, encodings, JSON by columns, and rows in memory give the same rows as a plain CSV file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tasks import DataError
from tasks.sources.csv_files import separator_of
from tasks.sources.files import read_table
from tasks.sources.memory import table_of
from tasks.sources.places import read_place
from tests.helpers.workbook import workbook
from tests.tasks.task_files import write_parquet

FRAME = pd.DataFrame(
    {"text": ["A café, open", 'said "no"; left', "two\nlines", "a | b"], "label": ["yes", "no", "no", "yes"]}
)
COLUMNS = FRAME.to_dict("list")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_the_separator_is_detected(tmp_path: Path, separator: str, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    FRAME.to_csv(path, sep=separator, index=False)
    table = read_table(path)
    assert table.columns == COLUMNS
    assert bool(table.notes) == (separator != {".csv": ",", ".tsv": "\t"}[suffix])
    assert not any(note.startswith(path.name) for note in table.notes), "reports begin notes with a capital letter"


@pytest.mark.parametrize(
    ("sample", "separator"),
    [
        ("text\na;b\nc;d\n", ","),  # one column
        ("text,label\na;b,x\nc;d,y\n", ","),
        ("text,label\nunquoted, comma,x\n", ","),  # stays an error about this row
        ("text;label\nunquoted, comma;x\nb;y\n", ";"),
        ("text;label;note, long\na;b;c, d\n", ";"),
    ],
)
def test_the_separator_of_a_sample(sample: str, separator: str) -> None:
    assert separator_of(sample, ",") == separator


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_unicode_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    FRAME.to_csv(tmp_path / "rows.csv", index=False, encoding=encoding)
    table = read_table(tmp_path / "rows.csv")
    assert (table.columns, table.notes) == (COLUMNS, ())
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in FRAME.to_dict("records"))
    (tmp_path / "rows.jsonl").write_text(lines, encoding)
    assert read_table(tmp_path / "rows.jsonl").columns == COLUMNS


def test_latin_1_is_read_with_a_note(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "rows.csv", index=False, encoding="latin-1")
    table = read_table(tmp_path / "rows.csv")
    assert table.columns == COLUMNS
    assert table.notes == (
        "rows.csv is not UTF-8 and was read as Windows-1252 (Latin-1); if letters are wrong, convert it: iconv -f "
        "ENCODING -t UTF-8 rows.csv",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("text,label\né fine,a\n".encode() + b"br\xffken,b\n", r"row 2: not valid UTF-8 \(byte 0xff\); save the file"),
        (
            "text,label\nМне очень понравилось,a\n".encode("cp1251"),
            r"row 1: not valid UTF-8 \(byte 0xcc\), and not Latin-1; save the file as UTF-8: iconv -f ENCODING",
        ),
        (("text,label\n" + "面白かったです,a\n" * 5).encode("shift_jis"), "and not Latin-1"),
        ("text,label\na,b\n".encode("utf-16") + b"x", "is not valid UTF-16; save it as UTF-8"),
        (b"PK\x03\x04\x14\x00\x8f", "no text, but an Excel workbook or another zip file; name a workbook .xlsx, or"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", r"no text, but a workbook of an old Excel \(.xls\); save the sheet"),
        (b"PAR1\x15\x04\x15\xff", "no text, but a Parquet file; name it .parquet"),
        (b"\x1f\x8b\x08\x00\xff", "no text, but a file that gzip packed; unpack it first"),
    ],
)
def test_other_encodings_are_an_error(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(DataError, match=problem):
        read_table(tmp_path / "rows.csv")


@pytest.mark.parametrize("indent", [None, 1])
def test_json_by_columns(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(COLUMNS, indent=indent), "utf-8")
    assert read_table(path).columns == COLUMNS
    path.write_text(FRAME.to_json(indent=indent or 0), "utf-8")
    assert read_table(path).columns == COLUMNS
    path.write_text(json.dumps({**COLUMNS, "label": ["yes"]}, indent=indent), "utf-8")
    with pytest.raises(DataError, match=r"the columns have different numbers of rows: text 4, label 1$"):
        read_table(path)


def test_one_object_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('{"text": "a", "label": "b"}\n', "utf-8")
    assert read_table(tmp_path / "rows.json").columns == {"text": ["a"], "label": ["b"]}


def test_rows_in_memory() -> None:
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
    numbered = Dataset.from_dict({**COLUMNS, "label": [0, 1, 1, 0]}, features=features)
    for rows in (FRAME, FRAME.set_axis(list("abcd")), numbered, FRAME.to_dict("records"), COLUMNS):
        assert table_of(rows, "real").columns == COLUMNS
    gaps = pd.DataFrame({"text": ["a", None], "label": [1.0, float("nan")]})
    assert table_of(gaps, "real").columns == {"text": ["a", None], "label": [1.0, None]}


def test_gaps_and_names_of_dicts_are_those_of_a_frame() -> None:
    """pandas.NA was a label of its own, or an error where a column names clusters."""
    gaps = pd.DataFrame(
        {
            "text": ["a", "b"],
            "label": pd.Series(["x", pd.NA], dtype="string"),
            "cluster": pd.Series([1, pd.NA], dtype="Int64"),
            "score": [float("nan"), 0.5],
            "day": [pd.NaT, pd.Timestamp(0)],
            7: [[1], [2]],
        }
    )
    expected = table_of(gaps, "real").columns
    assert (expected["label"], expected["7"]) == (["x", None], [[1], [2]])
    for rows in ({name: gaps[name] for name in gaps}, gaps.to_dict("list"), gaps.to_dict("records")):
        assert table_of(rows, "real").columns == expected


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (3, r"real \(int\): rows must be a path, a DataFrame"),
        ([], r"real \(list\): no rows"),
        (FRAME[:0], r"real \(DataFrame\): no rows"),
        ({"text": ["a"], "label": []}, "the columns have different numbers of rows"),
        ([{1: "a", "1": "b"}], "a column name occurs twice: 1, 1"),
        ([*csv.DictReader(["label,text", "x,so", "y,yes, and no"])], r"row 2: more fields than columns: \[' and no'\]"),
        (["a"], "rows must be a path"),
    ],
)
def test_rows_in_memory_that_cannot_be_used(rows: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        table_of(rows, "real")


def test_an_excel_workbook_is_read_like_csv(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows = [["text", "label", None, "score"], *([*row, None, 1.5] for row in FRAME.values.tolist())]
    rows.insert(2, [None, None, None, None])
    (tmp_path / "rows.xlsx").write_bytes(workbook({"Empty": [], "Rows": rows, "Notes": [["x"]]}))
    table = read_table(tmp_path / "rows.xlsx")
    assert table.columns == {**COLUMNS, "score": ["1.5"] * 4}
    assert table.lines == [2, 4, 5, 6], "rows as Excel numbers them"
    assert table.notes == ("of rows.xlsx, sheet 'Rows' was read, not Notes",)
    numbers = [["text", "label"], ["a", 1], ["b", 2.0], ["c", True]]
    (tmp_path / "rows.xlsx").write_bytes(workbook({"Rows": numbers}))
    assert read_table(tmp_path / "rows.xlsx").columns["label"] == ["1", "2", "True"]


FAR = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (workbook({"Rows": []}), "no rows$"),
        (workbook({"Rows": [["text", "label"]]}), "no rows$"),
        (workbook({"Rows": [["text", "text"], ["a", "b"]]}), "a column name occurs twice"),
        (workbook({"Rows": []}, FAR.replace("1048576", "1048577")), "a sheet has no row 1,048,577, only 1,048,576"),
        (workbook({"Rows": []}, FAR.replace("1048576", "10000000")), "a sheet has no row 10,000,000"),
        (workbook({"Rows": []}, FAR.replace('"XFD1048576"', " 'xfd10000000'")), "a sheet has no row 10,000,000"),
        (workbook({"Rows": []}, FAR), "a sheet goes to row 1,048,576 and column 16,384, which are too many cells"),
        (b"PK", "not a readable Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "not a readable Excel workbook"),
    ],
)
def test_workbooks_that_cannot_be_used(tmp_path: Path, content: bytes, problem: str) -> None:
    pytest.importorskip("python_calamine")
    (tmp_path / "rows.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=problem):
        read_table(tmp_path / "rows.xlsx")


def test_folders_of_save_to_disk(tmp_path: Path) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
    rows = Dataset.from_dict({**COLUMNS, "label": [0, 1, 1, 0]}, features=features)
    rows.save_to_disk(tmp_path / "one")
    table = read_place(str(tmp_path / "one"), "real")
    assert (table.columns, table.origin) == (COLUMNS, "one")
    (arrow,) = (tmp_path / "one").glob("*.arrow")
    assert read_table(arrow).columns == COLUMNS
    DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(tmp_path / "two")
    assert read_place(str(tmp_path / "two"), "test").columns["text"] == COLUMNS["text"][:1]
    assert read_place(str(tmp_path / "two"), "generated").origin == "two:train"
    DatasetDict({"test": rows}).save_to_disk(tmp_path / "three")
    with pytest.raises(DataError, match=r"no split 'train'; splits: test"):
        read_place(str(tmp_path / "three"), "real")
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="not a readable folder of save_to_disk"):
        read_place(str(tmp_path / "one"), "real")


def test_columns_of_cells_by_row_are_joined_by_their_rows(tmp_path: Path) -> None:
    """They were taken in the order of the file, so that texts got labels of other rows."""
    path = tmp_path / "rows.json"
    path.write_text('{"text": {"0": "a", "1": "b"}, "label": {"1": "of b", "0": "of a"}}')
    assert read_table(path).columns == {"text": ["a", "b"], "label": ["of a", "of b"]}
    path.write_text('{"text": {"0": "a", "1": "b"}, "label": {"0": "of a"}}')
    with pytest.raises(DataError, match=r"rows\.json: row '1' is in one of the columns text and label, not in both"):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        (
            "rows.jsonl",
            '{"text": "a", "label": "x"}\n{"text": "b", "label": "x", "label": "y"}',
            ", line 2: not readable",
        ),
        ("rows.json", '[{"text": "a", "label": "x", "label": "y"}]', ": not valid"),
        ("rows.json", '{"text": ["a"], "label": ["x"], "label": ["y"]}', ": not valid"),
    ],
)
def test_a_key_that_occurs_twice(tmp_path: Path, name: str, content: str, where: str) -> None:
    """The last one won, without a word."""
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=rf"{name}{where} JSON: label is given twice"):
        read_table(tmp_path / name)


def test_data_sets_without_rows_at_hand() -> None:
    from datasets import Dataset

    with pytest.raises(DataError, match=r"real \(IterableDataset\): a stream of rows; give datasets\.Dataset"):
        table_of(Dataset.from_dict(COLUMNS).to_iterable_dataset(), "real")
    with pytest.raises(DataError, match=r"^real \(Dataset\): no rows"):
        table_of(Dataset.from_dict({"text": [], "label": []}), "real")


def test_an_open_quotation_mark_in_tsv_is_a_note(tmp_path: Path) -> None:
    """It joins rows to one text, up to the next mark at the end of a field; nothing said so."""
    rows = ["text\tlabel", "fine\tyes", '"oh no\tno', "swallowed\tno", 'he said so"\tyes', "last\tno"]
    (tmp_path / "rows.tsv").write_text("\n".join(rows) + "\n")
    table = read_table(tmp_path / "rows.tsv")
    assert len(table) == 3
    assert table.notes == (
        "in rows.tsv, 1 row with a text that holds tabs and line ends (first: row 2); if a quotation mark was left "
        "open there, it swallowed the rows behind it",
    )


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ms"), pa.duration("s")])
def test_a_cell_out_of_range_is_one_line(tmp_path: Path, kind: pa.DataType) -> None:
    days = pa.array([2, 2**30 if kind == pa.date32() else 2**62], kind)
    write_parquet(tmp_path / "rows.parquet", {"text": ["a", "b"], "label": ["x", "y"], "day": days})
    with pytest.raises(DataError, match=r"rows\.parquet, row 2: day is not readable: "):
        read_table(tmp_path / "rows.parquet")


def test_a_column_that_cannot_be_decoded_is_one_line(tmp_path: Path) -> None:
    from datasets import Dataset, Features, Image, Value

    features = Features({"text": Value("string"), "label": Value("string"), "image": Image()})
    images = [{"bytes": b"no image", "path": None}] * 2
    rows = Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"], "image": images}, features=features)
    (tmp_path / "data").mkdir()
    rows.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    for place in (lambda: table_of(rows, "real"), lambda: read_place(str(tmp_path), "real")):
        with pytest.raises(DataError, match=r"rows cannot be read: cannot identify image"):
            place()
