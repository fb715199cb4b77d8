"""`bench predict` reads tables with a text and an id per row, or names the row that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.predict import submission, texts
from bench.errors import UserError
from tasks import DataError


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_ids_and_texts_of_a_table(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [{"id": 7.0, "text": "a"}, {"id": 3, "text": "b"}])
    assert texts(path) == ([7, 3], ["a", "b"], None)
    assert texts(written(path, [{"text": "a"}, {"text": "b"}]))[0] == [1, 2]


@pytest.mark.parametrize("name", ["id", "Id", "ID", " id", "iD "])
def test_ids_are_found_in_any_case(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{name},text\n7,so happy\n9,awful queue\n")
    assert texts(path)[0] == ["7", "9"]


def test_the_plain_name_comes_before_others(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("ID,text,id\n7,a,1\n9,b,2\n")
    assert texts(path)[0] == ["1", "2"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": 2, "text": None}, "line 2: text is missing"),
        ({"id": 2, "text": ""}, "line 2: text is empty"),
        ({"id": 2, "text": 5}, "not a string"),
        ({"id": None, "text": "b"}, "line 2: id is missing"),
        ({"id": 1, "text": "b"}, "line 2: id 1 also belongs to an earlier row"),
    ],
)
def test_rows_that_cannot_be_labelled(row: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        texts(written(tmp_path / "a.jsonl", [{"id": 1, "text": "a"}, row]))


def test_a_submission_has_whole_numbers_as_ids() -> None:
    frame = pd.DataFrame({"id": ["a7", "b"], "label": ["negative", "positive"]})
    with pytest.raises(UserError, match="whole numbers as ids, not 'a7'"):
        submission(frame)
    assert submission(frame.assign(id=[7, 9])) == "Id,Prediction\n7,-1\n9,1\n"
