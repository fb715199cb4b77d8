"""The course's folder from the command line: look at it, run on it, write the submission."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.models.texts_file import read_texts
from bench.errors import UserError
from tasks import DataError
from tests.helpers.rows import bundled_rows

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Bundled tweets as the course's small files; the first of the positive ones stands in both and twice."""
    rows = bundled_rows("twitter", "pool")
    place = tmp_path / "tweets"
    place.mkdir()
    result = {name: [row["text"] for row in rows if row["label"] == name] for name in ("negative", "positive")}
    (place / "train_pos.txt").write_text("\n".join([*result["positive"], result["positive"][0]]) + "\n")
    (place / "train_neg.txt").write_text("\n".join([*result["negative"], result["positive"][0]]) + "\n")
    (place / "test_data.txt").write_text("7,so happy, really\n9,this is awful\n12,fine\n")
    return place


def test_from_the_folder_to_the_submission(bench: Command, folder: Path, tmp_path: Path) -> None:
    seen = bench("validate", "twitter", "--data-dir", "tweets")
    assert seen.returncode == 0, seen.stderr
    assert "source course" in seen.stdout
    assert "left out: 1 repeat of an earlier tweet of the same class, 1 text in both classes" in seen.stdout

    grid = ("run", "--methods", "ce", "--tasks", "twitter[size=small]", "--seeds", "1", "--data-dir", "tweets")
    ran = bench(*grid, "--save-models", "full", tiny=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (model,) = tmp_path.glob("runs/twitter/ce/*/model")
    spec = json.loads((model.parent / "spec.json").read_text())
    assert (spec["source"], spec["task_ref"]) == ("course", "twitter[size=small]")

    message = bench("predict", str(model), "tweets/test_data.txt", "--submission", "--to", "submission.csv")
    assert message.returncode == 0, message.stderr
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert lines[0] == "Id,Prediction"
    assert [line.split(",")[0] for line in lines[1:]] == ["7", "9", "12"]
    assert {line.split(",")[1] for line in lines[1:]} <= {"-1", "1"}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("validate", "twitter[size=ful]"), "did you mean 'full'"),
        (("validate", "twitter[size=full]"), "no train_neg_full.txt and no train_pos_full.txt"),
        (("run", "--tasks", "financial"), "no source course"),
    ],
)
def test_one_line_for_what_is_not_there(bench: Command, folder: Path, command: tuple[str, ...], message: str) -> None:
    ran = bench(*command, "--data-dir", "tweets")
    assert ran.returncode == 2, ran.stdout
    assert message in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_data.txt", b"1,one\ntwo\n3,three\n", "line 2: 'two' is not id,text"),
        ("other.txt", b"1,one\ntwo\n3,three\n", "line 2: 'two' is not id,text"),
        ("test_data.txt", b"a tweet\n", "line 1: 'a tweet' is not id,text"),
        ("test_data.txt", b"1,one\n2,tw", "line 2: the last line has no line end"),
        ("test_data.txt", b"1,one\n2,\xff\n", "line 2: not valid UTF-8"),
        ("test_data.txt", b"1,one\n1,two\n", "the id 1 is on several lines"),
        ("test_data.txt", b"", "holds no texts"),
        ("missing.txt", None, "No such file"),
    ],
)
def test_damaged_texts(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((UserError, DataError), match=message):
        read_texts(tmp_path / name)


def test_texts_without_ids_are_numbered_from_1(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_bytes("3,2,1 go\nso\u2028happy\nlast".encode())
    found = read_texts(tmp_path / "some.txt")
    assert (found.ids, found.first) == ([1, 2, 3], ["3,2,1 go", "so\u2028happy", "last"])
