"""The counts of `tests.torture.runs`: what is missing, computed twice, or changed is found."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.store.folders import finish
from tests.torture.runs import POLL, Runs, rounds


def cell(store: Path, accuracy: float = 0.5) -> Path:
    """A finished cell."""
    folder = store / "task" / "method" / "0123"
    folder.mkdir(parents=True)
    (folder / "history.jsonl").write_text("{}")
    finish(folder, {"accuracy": accuracy})
    return folder


def nothing(folder: Path) -> None:
    """The cell stays as it is."""


def again(folder: Path) -> None:
    """The cell is computed twice, with the same result."""
    time.sleep(POLL)
    shutil.rmtree(folder)
    cell(folder.parents[2])


def other(folder: Path) -> None:
    """The cell has another result, in a folder that is whole."""
    shutil.rmtree(folder)
    cell(folder.parents[2], accuracy=0.6)


@pytest.mark.parametrize(
    ("change", "lost", "doubled", "torn"),
    [
        (nothing, 0, 0, 0),
        (shutil.rmtree, 2, 0, 0),  # it is not done, and it was
        (again, 0, 1, 0),
        (other, 0, 1, 1),
        (lambda folder: (folder / "history.jsonl").write_text("{ }"), 1, 0, 1),
    ],
)
def test_each_kind_of_fault_is_counted(
    tmp_path: Path, change: Callable[[Path], object], lost: int, doubled: int, torn: int
) -> None:
    runs = Runs(tmp_path / "round", [], random.Random())
    folder = cell(runs.store)
    (runs.folder / "log.txt").write_text("")
    part = folder.with_name(".0124.5.part")
    shutil.copytree(folder, part)  # not published yet
    runs.watch(POLL)
    shutil.rmtree(part)
    change(folder)
    cell(tmp_path / "whole")
    count = runs.check(tmp_path / "whole")
    assert (count.checked, count.lost, count.doubled, count.torn) == (1, lost, doubled, torn)
    assert runs.wrong == []


def test_leases_and_tracebacks_that_stay_are_found(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "round", [], random.Random())
    (cell(runs.store) / "lease").touch()
    (runs.folder / "log.txt").write_text("Traceback (most recent call last)")
    runs.check(tmp_path)
    assert ["leases" in line or "traceback" in line for line in runs.wrong] == [True, True]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    whole, disturbed = rounds(tmp_path, kills=3, seeds=1, parallel=1)
    assert whole.wrong == disturbed.wrong == []
    count = disturbed.count
    assert count.kills == 3
    assert count.checked >= 4, "cells and the tables that they share"
    assert (count.lost, count.doubled, count.torn) == (0, 0, 0)
