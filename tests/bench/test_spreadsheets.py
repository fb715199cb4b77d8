"""Texts that a spreadsheet would run as formulas are escaped in every CSV file; numbers stay."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.models import train as train_command
from bench.commands.models.predict import Predictions, Target, write_predictions
from bench.leaderboard.formats.to_csv import plain
from bench.spreadsheets import csv_of

FRAME = pd.DataFrame({"id": ["=1", "2", "@x"], "label": ["-good", "bad", "bad"], "p": [-0.5, 0.5, 1.0]})
PREDICTIONS = Predictions(FRAME, ["-good", "bad"], None, [], ())


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_texts_of_all_kinds_of_columns_are_escaped() -> None:
    frame = pd.DataFrame(
        {
            "str": ["=1+1", "@user hi", "-3", "\tx"],
            "object": pd.Series(["+a", None, 4, "fine = yes"], dtype=object),
            "category": pd.Categorical(["=a", "b", "b", "=a"]),
            "=head": [-1.0, 2.0, 3.0, 4.0],
        }
    )
    text, count = csv_of(frame)
    assert cells(text) == [
        ["str", "object", "category", "'=head"],
        ["'=1+1", "'+a", "'=a", "-1.0"],
        ["'@user hi", "", "b", "2.0"],
        ["-3", "4", "b", "3.0"],
        ["'\tx", "fine = yes", "'=a", "4.0"],
    ]
    assert count == 7
    assert frame["str"][0] == "=1+1", "the table itself stays"


def test_columns_of_one_name_keep_their_cells() -> None:
    frame = pd.DataFrame([["=a", "=b"]], columns=["x", "x"])
    assert cells(csv_of(frame)[0]) == [["x", "x"], ["'=a", "'=b"]]


def test_predictions_are_escaped_wherever_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [["id", "label", "p"], ["'=1", "'-good", "-0.5"], ["2", "bad", "0.5"], ["'@x", "bad", "1.0"]]
    monkeypatch.setattr(train_command, "predict", lambda model, file, **rest: PREDICTIONS)
    list(write_predictions(PREDICTIONS, Target(tmp_path / "p.csv")))
    train_command.predict_test("model", "test.csv", tmp_path, print)
    train_command.predict_more("model", Path("more.csv"), tmp_path / "more.csv", print)
    for name in ("p.csv", train_command.PREDICTIONS, "more.csv"):
        assert cells((tmp_path / name).read_text()) == expected, name


def test_cells_of_the_leaderboard_are_escaped() -> None:
    assert [plain(value) for value in ("=mine", "-1.5", -1.5, None, ["=a"])] == ["'=mine", "-1.5", -1.5, None, '["=a"]']
