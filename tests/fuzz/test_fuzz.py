"""No input is a traceback: a few examples of every target; `make fuzz` reads many more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import UserError
from tests.fuzz.targets import TARGETS, Campaign
from tests.fuzz.watch import WATCH


@pytest.mark.parametrize("name", TARGETS)
def test_an_input_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    Campaign().read(name, 15, tmp_path / "example")


@pytest.mark.parametrize(
    ("action", "event"),
    [
        (lambda folder: (folder.parent / "x").write_text(""), "open"),
        (lambda folder: (folder / ".." / "y").mkdir(), "os.mkdir"),
        (lambda folder: os.rename(folder / "a", folder.parent / "a"), "os.rename"),
        (lambda folder: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
    ],
)
def test_what_a_reader_must_not_do_is_found(action: Callable[[Path], object], event: str, tmp_path: Path) -> None:
    (folder := tmp_path / "example").mkdir()
    (folder / "a").touch()
    with pytest.raises(AssertionError, match=event), WATCH.watching(folder):
        action(folder)


def test_what_a_reader_does_before_it_refuses_its_input_is_found(tmp_path: Path) -> None:
    (folder := tmp_path / "example").mkdir()

    def reader() -> None:
        with WATCH.watching(folder):
            (tmp_path / "x").touch()
            raise UserError("no")

    with pytest.raises(AssertionError, match="open"):
        reader()


def test_what_a_reader_may_do_is_not_found(tmp_path: Path) -> None:
    with WATCH.watching(tmp_path):
        (tmp_path / "a").write_text("a")
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "c" / "d").mkdir(parents=True)
        shutil.rmtree(tmp_path / "c")  # with paths that are relative to an open folder
        Path(__file__).read_text(encoding="utf-8")
