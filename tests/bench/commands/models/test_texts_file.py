"""The texts of a file: a table with a text and an id per row, or one text per line; or the row that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.commands.models.texts_file import has_lines, read_texts
from bench.errors import UserError
from tasks import DataError
from tasks.reading import Reading
from tasks.sources import thinning


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_ids_and_texts_of_a_table(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [{"id": 7.0, "text": "a"}, {"id": 3, "text": "b"}])
    found = read_texts(path)
    assert (found.ids, found.first, found.second) == ([7, 3], ["a", "b"], None)
    assert read_texts(written(path, [{"text": "a"}, {"text": "b"}])).ids == [1, 2]


@pytest.mark.parametrize("name", ["id", "Id", "ID", " id", "iD "])
def test_ids_are_found_in_any_case(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},text\n7,so happy\n9,awful queue\n")
    assert read_texts(path).ids == ["7", "9"]


def test_the_plain_name_comes_before_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ID,text,id\n7,a,1\n9,b,2\n")
    assert read_texts(path).ids == ["1", "2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "text": None}, "line 2: text is missing"),
        ({"id": 2, "text": ""}, "line 2: text is empty"),
        ({"id": 2, "text": 5}, "not a string"),
        ({"id": None, "text": "b"}, "line 2: id is missing"),
        ({"id": 1, "text": "b"}, "line 2: id 1 also belongs to an earlier row"),
        ({"id": [2], "text": "b"}, "line 2: id is a list; an id is text or a number"),
    ],
)
def test_rows_that_cannot_be_labelled(row: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_texts(written(tmp_path / "a.jsonl", [{"id": 1, "text": "a"}, row]))


@pytest.mark.parametrize(
    ("content", "texts"), [("one\n\nthree\n", ["one", "three"]), ("1,hello\n2,\n3,foo\n", ["hello", "foo"])]
)
def test_an_empty_line_is_no_text(content: str, texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(UserError, match="line 2: text is empty; --skip-empty leaves such rows out"):
        read_texts(tmp_path / "a.txt")
    found = read_texts(tmp_path / "a.txt", Reading(skip_empty=True))
    assert (found.ids, found.first, found.notes) == ([1, 3], texts, ("1 of 3 rows without a text: left out",))
    with pytest.raises(UserError, match="one text per line and no columns"):
        read_texts(tmp_path / "a.txt", Reading({"text": "a"}))


@pytest.mark.parametrize(("name", "message"), [("a.csv.gz", "unpack it first"), ("a.xls", "cannot read .xls")])
def test_files_of_other_kinds_are_not_read_as_lines(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8bone\n")
    with pytest.raises(DataError, match=f"{message}.*, or .txt with one text per line"):
        read_texts(tmp_path / name)


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (Reading({"text": "a", "text_pair": "a"}), "take a column each"),
        (Reading({"text": "a", "label": "a"}), "take a column each"),
        (Reading({"text": "a", "label": "b"}, {"2": "x"}), "--labels: no row has the label '2'; labels: 0, 1"),
        (Reading({"text": "a"}, {"1": "x"}), "rows.jsonl has no column of them; --label COLUMN names it"),
    ],
)
def test_options_that_would_be_ignored(reading: Reading, message: str, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", [{"a": "one", "b": 0}, {"a": "two", "b": 1}])
    with pytest.raises((UserError, DataError), match=message):
        read_texts(path, reading)


def test_test_rows_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "test.csv").write_text("text,label\na,x\nb,y\n")
    found = read_texts(tmp_path / "rows")
    assert (found.first, found.labels) == (["a", "b"], ["x", "y"])
    for name, lines in (("rows", False), ("a.txt", True), ("a.csv", False), ("lines", True)):
        assert has_lines(tmp_path / name) == lines
    assert not has_lines(Path("someone/tweets")), "a data set of the hub"


def test_every_row_of_a_large_file_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions were those of a random sample of the rows, without a word."""
    monkeypatch.setattr(thinning, "BUDGET", 4_000)
    path = written(tmp_path / "a.jsonl", [{"text": f"text {n}"} for n in range(200)])
    found = read_texts(path)
    assert list(found.ids) == list(range(1, 201))
    assert found.first[-1] == "text 199"
    monkeypatch.setattr(thinning, "MOST", 4_000)
    with pytest.raises(DataError, match=r"a\.jsonl: its rows take more than .* every row is needed here; cut the file"):
        read_texts(path)


def test_how_a_file_was_read_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text;label\nso happy;a\n;b\n")
    said = ("a semicolon separates the columns of a.csv", "1 of 2 rows without a text: left out")
    assert read_texts(path, Reading(skip_empty=True)).notes == said
