"""States, leases and whole-or-nothing writes of the store."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bench.errors import UserError
from bench.store import leases
from bench.store.files import read_json, write_json
from bench.store.folders import State, acquire, adopt, fail, finish, forget, state
from bench.store.layout import DONE, ERROR, LEASE, RUNNING
from bench.store.leases import (
    LeaseLostError,
    Life,
    heartbeat,
    life,
    machine,
    read_lease,
    registered,
    release,
    users,
    wait_until_known,
)
from tests.conftest import ROOT

READ = "from pathlib import Path; from bench.store.folders import acquire, finish, state;"
HOLD = f"""{READ}
import os, sys
from bench.store.leases import heartbeat, registered
root, folder = map(Path, sys.argv[1:])
assert acquire(root, folder)
with heartbeat(folder):
    print("holds", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def owner(root: Path, folder: Path, *before: str, then: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease of a folder, and runs a line of code when its input is closed."""
    command = [*before, sys.executable, "-c", f"{HOLD}    {then}\n", str(root), str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            line = process.stdout.readline()
            assert line == "holds\n", process.stderr.read()
            yield process
        finally:
            process.kill()


@functools.cache
def pid_namespace() -> tuple[str, ...]:
    """A command that runs another one in a PID namespace of its own. Skips the test where that is not permitted."""
    for user in ((), ("--user", "--map-root-user")):
        command = ("unshare", *user, "--pid", "--fork", "--mount-proc", "--kill-child")
        with contextlib.suppress(OSError):
            if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
                return command
    pytest.skip("no PID namespace can be created here (unshare)")


@dataclass
class Clock:
    """The monotonic clock of this process, which tests advance."""

    now: float = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bench.store.leases.time.monotonic", lambda: clock.now)
    return clock


def dead_owner() -> dict[str, object]:
    """A process of this machine that is gone."""
    return {"token": "00", "machine": machine(), "pid": 1, "host": socket.gethostname()}


def abandon(folder: Path) -> None:
    """Make the lease that this process holds one of a process that is gone."""
    os.close(leases._held.pop(folder / LEASE).descriptor)
    write_json(folder / LEASE, dead_owner())


def other_machines(folder: Path, offset: float) -> Path:
    """A folder with the lease of another machine, whose clock differs from this one's by `offset` seconds."""
    write_json(folder / LEASE, {"token": "01", "machine": "another", "pid": os.getpid(), "host": "elsewhere"})
    os.utime(folder / LEASE, (time.time() + offset,) * 2)
    return folder


def test_states_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert state(folder) is State.MISSING
    assert acquire(tmp_path, folder)
    assert state(folder) is State.RUNNING
    abandon(folder)
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
    abandon(folder)
    (folder / "half.parquet").write_text("half")
    assert acquire(tmp_path, folder), "a dead owner's lease is free at once"
    assert not (folder / "half.parquet").exists(), "what a dead attempt left is gone"
    write_json(folder / DONE, {})
    assert not acquire(tmp_path, folder), "a finished cell is nobody's to take"


def test_a_process_that_was_killed_is_no_owner(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    with owner(tmp_path, folder) as process:
        process.send_signal(signal.SIGSTOP)
        assert state(folder) is State.RUNNING, "a process that was stopped goes on later"
        process.kill()
        process.wait()
        assert state(folder) is State.STALE
        assert acquire(tmp_path, folder)


def test_processes_of_other_pid_namespaces_live(tmp_path: Path) -> None:
    """As in two containers of one machine: their processes have the same pids, and cannot see each other."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    assert acquire(tmp_path, outside)
    with owner(tmp_path, inside, *pid_namespace()) as process:
        assert read_lease(inside / LEASE)["pid"] == 1
        assert state(inside) is State.RUNNING
        assert not acquire(tmp_path, inside)
        seen = f"{READ} print(state(Path({str(outside)!r})))"
        command = [*pid_namespace(), sys.executable, "-c", seen]
        assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout == "running\n"
        psutil.Process(process.pid).children()[0].kill()
        process.wait()
    assert state(inside) is State.STALE


DAY = 86_400


@pytest.mark.parametrize("offset", [-DAY, -61, 0, 61, DAY])
def test_a_silent_owner_on_another_machine_is_dead(tmp_path: Path, clock: Clock, offset: int) -> None:
    folder = other_machines(tmp_path / "cell", offset)
    assert state(folder) is State.RUNNING
    clock.now += 59
    assert state(folder) is State.RUNNING
    clock.now += 2
    assert state(folder) is State.STALE
    assert acquire(tmp_path, folder)


@pytest.mark.parametrize("offset", [-DAY, -61, 0, 61, DAY])
def test_an_owner_on_another_machine_lives_by_its_heartbeat(tmp_path: Path, clock: Clock, offset: int) -> None:
    folder = other_machines(tmp_path / "cell", offset)
    for beat in range(20):
        stamp = time.time() + offset + 15 * beat
        os.utime(folder / LEASE, (stamp, stamp))
        clock.now += 50
        assert state(folder) is State.RUNNING
        assert not acquire(tmp_path, folder)


def test_a_lease_of_an_earlier_version_is_watched(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "cell"
    write_json(folder / LEASE, {"pid": 1, "started": "7 of a boot", "host": socket.gethostname()})
    assert state(folder) is State.RUNNING
    clock.now += 61
    assert state(folder) is State.STALE


def test_a_wait_ends_when_every_owner_is_known(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, renewed = (other_machines(tmp_path / name, 0) / LEASE for name in ("silent", "renewed"))
    assert acquire(tmp_path, tmp_path / "own")

    def sleep(seconds: float) -> None:
        clock.now += seconds
        os.utime(renewed, (clock.now, clock.now))

    monkeypatch.setattr("bench.store.leases.time.sleep", sleep)
    wait_until_known([silent, renewed, tmp_path / "own" / LEASE, tmp_path / "none"])
    assert clock.now == pytest.approx(60, abs=1)
    assert (life(silent), life(renewed)) == (Life.DEAD, Life.ALIVE)


@pytest.mark.posix
def test_an_owner_that_lost_its_lease_publishes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cell"
    assert acquire(tmp_path, folder)
    (folder / "mine.txt").write_text("mine")
    with heartbeat(folder):
        other_machines(folder, 0)
        with pytest.raises(LeaseLostError):
            finish(folder, {"accuracy": 1})
        assert fail(folder, {"type": "X"}) is State.RUNNING
    assert sorted(path.name for path in folder.iterdir()) == [LEASE, "mine.txt"]
    assert read_lease(folder / LEASE)["host"] == "elsewhere", "the lease of the other process stays"


@pytest.mark.posix
def test_a_writer_that_wakes_up_finds_its_folder_taken(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system whose locks do not reach other machines: the lock of the other process is invisible here."""
    folder = tmp_path / "cell"
    with owner(tmp_path, folder, then="finish(folder, {'by': 'the old writer'})") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        with monkeypatch.context() as patch:
            patch.setattr("bench.store.leases.locked", lambda _: False)
            patch.setattr("bench.store.leases.machine", lambda: "another")
            assert not acquire(tmp_path, folder)
            clock.now += 61
            assert acquire(tmp_path, folder)
        process.stdin.close()
        assert "LeaseLostError" in process.stderr.read()
    with heartbeat(folder):
        finish(folder, {"by": "the new writer"})
    assert read_json(folder / DONE)["by"] == "the new writer"
    assert state(folder) is State.DONE


def test_only_the_lease_of_a_dead_owner_is_released(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "cell"
    with owner(tmp_path, folder):
        release(tmp_path, folder)
        assert state(folder) is State.RUNNING
    release(tmp_path, folder)
    assert not (folder / LEASE).exists()
    release(tmp_path, folder)
    distant = other_machines(tmp_path / "distant", 0)
    release(tmp_path, distant)
    assert state(distant) is State.RUNNING
    clock.now += 61
    release(tmp_path, distant)
    assert state(distant) is State.MISSING


def test_a_run_is_registered_until_it_ends(tmp_path: Path) -> None:
    code = "run = registered(root); run.__enter__(); os._exit(0)"
    with owner(tmp_path, tmp_path / "cell", then=code) as process, registered(tmp_path):
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        assert len(list((tmp_path / RUNNING).iterdir())) == 2
        assert users(tmp_path) == [f"process {os.getpid()} of {socket.gethostname()}"], "a dead run is forgotten"
        assert len(list((tmp_path / RUNNING).iterdir())) == 1
    assert users(tmp_path) == []


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("bench.system.lock", refuse)
    with pytest.raises(UserError, match=r"cannot be locked \(No locks available\); --out"):
        acquire(tmp_path, tmp_path / "cell")


@pytest.mark.parametrize("content", ["{", "[" * 100_000], ids=["cut", "deep"])
def test_an_unreadable_lease_is_nobodys(tmp_path: Path, content: str) -> None:
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / LEASE).write_text(content)
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
    (source / LEASE).write_text("its owner is about to give it back")
    assert adopt(source, target, tmp_path)
    assert not (target / LEASE).exists()
    assert json.loads((target / DONE).read_text()) == {"accuracy": 1}
    assert not adopt(source, target, tmp_path)
    forget(target)
    assert state(target) is State.MISSING
    assert state(source) is State.DONE


def test_what_is_copied_from_a_store_without_write_permission_can_be_changed(tmp_path: Path) -> None:
    """Its folders kept their modes: `publish`, `--force` and `doctor --repair` could not remove a file of the copy."""
    source, target = tmp_path / "a", tmp_path / "task" / "method" / "c"
    (source / "model").mkdir(parents=True)
    write_json(source / DONE, {"accuracy": 1})
    for folder in (source / "model", source):
        folder.chmod(0o555)
    assert adopt(source, target, tmp_path)
    assert [folder.stat().st_mode & 0o777 for folder in (target, target / "model", source)] == [0o755, 0o755, 0o555]


def test_a_result_that_cannot_be_removed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counted as removed, and then as done: --force trained nothing, with exit code 0."""
    write_json(tmp_path / "c" / DONE, {"accuracy": 1})

    def refused(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refused)
    with pytest.raises(PermissionError, match=r"Permission denied: .*c"):
        forget(tmp_path / "c")
    monkeypatch.undo()
    assert forget(tmp_path / "c")
    assert forget(tmp_path / "c"), "nothing is there"


def test_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_a_lease_that_a_full_disk_does_not_take_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error said that a file cannot be written, and not where."""

    def refused(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", refused)
    with pytest.raises(OSError, match="No space left on device") as error, registered(tmp_path):
        pass
    assert Path(error.value.filename).is_relative_to(tmp_path)
    assert error.value.errno == errno.ENOSPC
