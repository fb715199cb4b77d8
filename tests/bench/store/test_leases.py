"""States, leases and whole-or-nothing writes of the store."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.errors import UserError
from bench.store.files import read_json, write_json
from bench.store.folders import State, acquire, adopt, finish, forget, state
from bench.store.layout import DONE, ERROR, LEASE
from bench.store.leases import heartbeat


def dead_owner() -> dict[str, object]:
    """A process of this host that is gone."""
    import socket

    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return {"pid": process.pid, "started": 1.0, "host": socket.gethostname()}


def test_states_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert state(folder) is State.MISSING
    assert acquire(tmp_path, folder)
    assert state(folder) is State.RUNNING
    write_json(folder / LEASE, dead_owner())
    assert state(folder) is State.STALE
    (folder / LEASE).unlink()
    (folder / "spec.json").write_text("{}")
    assert state(folder) is State.STALE
    write_json(folder / ERROR, {"type": "X"})
    assert state(folder) is State.FAILED
    write_json(folder / DONE, {})
    assert state(folder) is State.DONE


def test_a_lease_is_held_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert acquire(tmp_path, folder)
    assert not acquire(tmp_path, folder)
    write_json(folder / LEASE, dead_owner())
    (folder / "half.parquet").write_text("half")
    assert acquire(tmp_path, folder), "a dead owner's lease is free at once"
    assert not (folder / "half.parquet").exists(), "what a dead attempt left is gone"
    write_json(folder / DONE, {})
    assert not acquire(tmp_path, folder), "a finished cell is nobody's to take"


def test_a_reused_pid_is_not_the_owner(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert acquire(tmp_path, folder)
    owner = json.loads((folder / LEASE).read_text())
    write_json(folder / LEASE, {**owner, "started": "1 of another boot"})
    assert state(folder) is State.STALE


def test_leases_of_other_hosts_live_by_their_heartbeat(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    write_json(folder / LEASE, {"pid": 1, "started": 0.0, "host": "elsewhere"})
    assert state(folder) is State.RUNNING
    os.utime(folder / LEASE, (time.time() - 61, time.time() - 61))
    assert state(folder) is State.STALE


def test_an_unreadable_lease_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / LEASE).write_text("{")
    assert state(tmp_path / "cell") is State.STALE


def test_a_failed_cell_is_nobodys_until_it_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "task" / "method" / "cell"
    write_json(folder / ERROR, {"type": "X", "message": "y"})
    assert not acquire(tmp_path, folder)
    forget(folder)
    assert acquire(tmp_path, folder)


@pytest.mark.parametrize("damage", ["shorter", "gone", "garbled"])
def test_a_damaged_folder_is_made_again(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "cell"
    acquire(tmp_path, folder)
    (folder / "states.npy").write_bytes(b"x" * 100)
    with heartbeat(folder):
        finish(folder, {"rows": 1})
    assert state(folder) is State.DONE
    if damage == "shorter":
        (folder / "states.npy").write_bytes(b"x" * 50)
    elif damage == "gone":
        (folder / "states.npy").unlink()
    else:
        (folder / DONE).write_text("{")
    assert state(folder) is State.STALE
    assert acquire(tmp_path, folder)


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"3", b"\xff\xfe"])
def test_damaged_json_names_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "spec.json").write_bytes(content)
    with pytest.raises(UserError, match=r"spec\.json"):
        read_json(tmp_path / "spec.json")


def test_the_lease_goes_when_the_work_ends(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    acquire(tmp_path, folder)
    with pytest.raises(KeyError), heartbeat(folder):
        raise KeyError
    assert not (folder / LEASE).exists()


def contend(root: str, line: multiprocessing.connection.Connection) -> None:
    line.send(acquire(Path(root), Path(root) / "cell"))
    line.recv()


def test_of_many_contenders_one_gets_the_lease(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    write_json(tmp_path / "cell" / LEASE, dead_owner())
    lines = [context.Pipe() for _ in range(8)]
    processes = [context.Process(target=contend, args=(str(tmp_path), there)) for _, there in lines]
    for process in processes:
        process.start()
    won = sum(here.recv() for here, _ in lines)
    for here, _ in lines:
        here.send(None)
    for process in processes:
        process.join()
    assert won == 1


def test_a_finished_folder_is_adopted_once(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "task" / "method" / "c"
    assert not adopt(source, target, tmp_path)
    write_json(source / DONE, {"accuracy": 1})
    assert adopt(source, target, tmp_path)
    assert json.loads((target / DONE).read_text()) == {"accuracy": 1}
    assert not adopt(source, target, tmp_path)
    forget(target)
    assert state(target) is State.MISSING
    assert state(source) is State.DONE


def test_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()
