"""A finished folder that is not what was written is noticed: sizes, contents, copies, metrics.json itself."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.store.files import write_json
from bench.store.folders import State, acquire, state
from bench.store.integrity import damage, sealed
from bench.store.layout import DONE


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A finished folder with two files."""
    folder = tmp_path / "0a1b"
    folder.mkdir()
    (folder / "predictions.parquet").write_bytes(b"predictions")
    (folder / "history.jsonl").write_text("{}\n")
    (folder / "lease").write_text("of whoever trains it")
    write_json(folder / DONE, sealed(folder, {"accuracy": 0.5}, folder.name))
    return folder


def edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads((folder / DONE).read_text())
    change(content)
    write_json(folder / DONE, content)


def test_what_was_written_is_sound(finished: Path) -> None:
    assert damage(finished) == ""
    assert json.loads((finished / DONE).read_text())["accuracy"] == 0.5
    (finished / "lease").unlink()
    (finished / "log.txt").write_text("a line more")
    assert damage(finished) == "", "leases and logs come and go"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "history.jsonl").unlink(), "history.jsonl cannot be read: No such file"),
        (lambda folder: (folder / "history.jsonl").write_text(""), "history.jsonl has 0 bytes, 3 were written"),
        (
            lambda folder: (folder / "predictions.parquet").write_bytes(b"predictionz"),
            "predictions.parquet was changed",
        ),
        (lambda folder: (folder / DONE).write_text("[]"), "not that of a finished cell"),
        (lambda folder: (folder / DONE).write_text("{"), "not that of a finished cell"),
        (lambda folder: (folder / DONE).write_bytes(b"\xff"), "not that of a finished cell"),
        (lambda folder: edit(folder, lambda content: content.update(accuracy=1.0)), "metrics.json was changed"),
        (lambda folder: edit(folder, lambda content: content.pop("digests")), "metrics.json was changed"),
    ],
)
def test_every_change_is_named(finished: Path, change: Callable[[Path], object], reason: str) -> None:
    change(finished)
    assert reason in damage(finished)


def test_a_folder_copied_over_another_is_noticed(finished: Path) -> None:
    other = finished.parent / "2c3d"
    shutil.copytree(finished, other)
    assert damage(other) == "it is a copy of 0a1b"


def test_a_change_of_one_bit_after_the_first_look_is_noticed(finished: Path) -> None:
    assert damage(finished) == ""
    (finished / "predictions.parquet").write_bytes(b"qredictions")
    assert "predictions.parquet was changed" in damage(finished)


def test_a_folder_that_cannot_be_read_now_is_not_removed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with too many open files cannot know whether a finished cell is damaged."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(finished / DONE))

    with monkeypatch.context() as patch:
        patch.setattr("bench.store.integrity.Path.read_bytes", refuse)
        assert "cannot be read: Too many open files" in damage(finished)
        with pytest.raises(OSError, match="Too many open files"):
            acquire(finished.parent, finished)
    assert state(finished) is State.DONE


def test_a_folder_of_an_earlier_version_has_sizes_alone(finished: Path) -> None:
    write_json(finished / DONE, {"accuracy": 0.5, "files": {"history.jsonl": 3}})
    assert damage(finished) == ""
    write_json(finished / DONE, {"accuracy": 0.5, "files": {"history.jsonl": 4}})
    assert "has 3 bytes, 4 were written" in damage(finished)
