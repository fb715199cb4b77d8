"""`bench.system.windows`, with what it takes from Windows simulated: locks of parts of files, and the console."""

from __future__ import annotations

import builtins
import functools
import importlib
import inspect
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bench import system
from bench.system import posix
from tests.conftest import ROOT
from tests.helpers import windows as simulation

NAME = "bench.system.windows"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, loaded in this process; `bench.system` stays what it is."""
    monkeypatch.setattr(os, "O_BINARY", 0, raising=False)
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGHUP, raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", functools.partial(simulation.imported, builtins.__import__))
        module = importlib.import_module(NAME)
    yield module
    del sys.modules[NAME]
    del system.windows  # type: ignore[attr-defined]


def test_both_systems_offer_the_same(windows: ModuleType) -> None:
    for name in system.__all__:
        own, other = getattr(posix, name), getattr(windows, name)
        assert type(own) is type(other) or name == "MOST_PROCESSES", name
        if inspect.isfunction(own):
            assert inspect.signature(own) == inspect.signature(other), name


def test_nothing_else_asks_for_the_system() -> None:
    """A module that Windows lacks is imported, and `sys.platform` is read, in `bench.system` alone."""
    asks = re.compile(
        rf"^\s*(import|from) ({'|'.join(simulation.ABSENT)})\b|\b(sys\.platform|os\.name)\b", re.MULTILINE
    )
    paths = [path for package in simulation.OURS for path in (ROOT / package).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix() for path in paths if asks.search(path.read_text("utf-8"))}
    assert found == {"bench/devices.py", "bench/system/__init__.py", "bench/system/posix.py", "bench/system/windows.py"}


def test_a_lock_leaves_the_content_readable(windows: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "lease"
    path.write_text("of a dead process")
    owner = windows.create_locked(path, b"content")
    with path.open("r+b") as other:
        assert other.read() == b"content"
        assert windows.is_locked(other.fileno())
        assert not windows.lock(other.fileno(), wait=False)
        assert other.tell() == len(b"content"), "the position stays"
    windows.remove_locked(path, owner)
    assert not path.exists()


def test_two_that_ask_do_not_see_each_other(windows: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (tmp_path / "file").open("r+b") as one, (tmp_path / "file").open("r+b") as other:
        assert windows.locking(one.fileno(), simulation.MSVCRT.LK_NBLCK, windows.FIRST, 1)
        assert not any(windows.is_locked(other.fileno()) for _ in range(3))
        assert not windows.is_locked(one.fileno())
        assert windows.lock(one.fileno(), wait=False), "nothing stays locked by those that ask"


def test_a_lock_is_waited_for(windows: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (tmp_path / "file").open("r+b") as one, (tmp_path / "file").open("r+b") as other:
        assert windows.lock(one.fileno(), wait=True)
        threading.Timer(0.05, one.close).start()
        assert windows.lock(other.fileno(), wait=True)


def test_a_file_that_others_have_open_for_a_moment_is_waited_for(
    windows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "AGAIN", 0)
    attempts = []

    def replace(result: str) -> str:
        attempts.append(result)
        if len(attempts) < 4:
            raise PermissionError
        return result

    assert windows.patiently(replace, "done") == "done"
    monkeypatch.setattr(windows, "PATIENCE", -1)
    attempts.clear()
    with pytest.raises(PermissionError):
        windows.patiently(replace, "done")


def test_folders_are_not_flushed(windows: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    windows.flush(tmp_path)
    windows.flush(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        windows.flush(tmp_path / "none")


def test_processes_are_started_where_ctrl_c_is_ignored(windows: ModuleType) -> None:
    with windows.ignoring_interrupts():
        assert simulation.console[-1] == (None, True)
    assert simulation.console[-1] == (None, False)


def test_an_artifact_has_a_folder_without_a_colon(windows: ModuleType) -> None:
    assert windows.folder_name("model:v3") == "model@v3"
    assert posix.folder_name("model:v3") == "model:v3", "caches of Linux stay"
