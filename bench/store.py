"""The store: a folder per cell or artefact, its state, its lease, and writes that are whole or not there.

    runs/<task>/<method>/<id>/       a cell
    runs/<task>/<method>/<id>/model/ its trained model, where that was asked for
    runs/.artefacts/<kind>/<id>/     what cells share
    runs/.grids/<id>.json            what was asked for, to report on it again

`metrics.json` is written last and atomically: its presence means done. It holds the sizes of the files beside it, so
that a folder damaged later is made again instead of read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from bench.errors import UserError

DONE, ERROR, LEASE, LOG = "metrics.json", "error.json", "lease", "log.txt"
Kept = Literal["trained", "full"]  # of a model: the weights that trained, or a whole Hugging Face folder
MODEL = "model"  # where it is in a cell's folder, and the files of which one shows that it is there
MODEL_FILES: Mapping[Kept, tuple[str, ...]] = {
    "trained": ("trained.safetensors", "config.json"),
    "full": ("config.json",),
}
HEARTBEAT, EXPIRY = 15.0, 60.0  # seconds
CAUSE_LENGTH = 300  # characters of an error message that are repeated


class State(StrEnum):
    """What a folder of the store says about its cell; `blocked` is known to the grid alone."""

    MISSING = "missing"
    RUNNING = "running"
    STALE = "stale"
    BLOCKED = "blocked"
    FAILED = "failed"
    DONE = "done"


def cell_path(root: Path, task: str, method: str, identity: str) -> Path:
    """Where a cell lies; writers and readers both ask here."""
    return root / task / method / identity


def artefact_path(root: Path, kind: str, identity: str) -> Path:
    """Where an artefact lies; writers and readers both ask here."""
    return root / ".artefacts" / kind / identity


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once: a reader sees the old content or the new. Raises OSError, naming the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:  # a full disk names no file, and what is cut off would stay on it
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON; NaN is refused, since no reader agrees on it."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError, naming the file, if it holds none."""
    return json_object(path.read_bytes(), path)


def json_object(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a file of the store holds; where one is gone, its cell is made again. Raises UserError."""
    try:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run again") from error
    return value


def finish(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Mark a folder as done: its metrics, and the sizes of its files."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (LEASE, LOG))
    sizes = {path.name: path.stat().st_size for path in files}
    write_json(folder / DONE, {**metrics, "files": sizes})


def whole(folder: Path) -> bool:
    """Whether a folder that is marked as done still has the files that it was finished with."""
    try:
        sizes = json.loads((folder / DONE).read_text(encoding="utf-8")).get("files", {})
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def state(folder: Path) -> State:
    """The state of a cell or artefact folder."""
    if (folder / DONE).exists():
        return State.DONE if whole(folder) else State.STALE
    if (folder / ERROR).exists():
        return State.FAILED
    lease = read_lease(folder / LEASE)
    if lease is not None:
        return State.RUNNING if alive(folder / LEASE, lease) else State.STALE
    return State.STALE if folder.exists() and any(folder.iterdir()) else State.MISSING


def failure(folder: Path) -> str:
    """Why a folder's cell failed, in one line; empty where nothing failed."""
    if (folder / DONE).exists() or not (folder / ERROR).exists():
        return ""
    told = read_json(folder / ERROR)
    line = " ".join(f"{told.get('type', 'error')}: {told.get('message', '')}".split())
    return line if len(line) <= CAUSE_LENGTH else line[: CAUSE_LENGTH - 3] + "..."


def root_of(folder: Path) -> Path:
    """The store that a cell or artefact lies in."""
    return folder.parents[2]


def read_lease(path: Path) -> dict[str, Any] | None:
    """Who holds a lease; an unreadable one is held by nobody (`{}`), a missing one is None."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return {}


def alive(path: Path, lease: dict[str, Any]) -> bool:
    """On this host the process itself is asked, at once; elsewhere a heartbeat of the last minute counts."""
    if "pid" not in lease:
        return False
    if lease.get("host") == socket.gethostname():
        return started(lease.get("pid", -1)) == lease.get("started")
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < EXPIRY
    return False


def started(pid: int) -> str | None:
    """When a living process started, None if there is none: a reused pid has another start.

    On Linux in clock ticks since a named boot, which setting the clock does not move.
    """
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        ticks, boot = Path(f"/proc/{pid}/stat"), Path("/proc/sys/kernel/random/boot_id")
        if not (ticks.exists() and boot.exists()):
            return str(process.create_time())
        return f"{ticks.read_text().rpartition(')')[2].split()[19]} of {boot.read_text().strip()}"
    except (psutil.Error, ValueError, OSError):
        return None


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the store's lock, for the moment in which a lease is read and taken."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def acquire(root: Path, folder: Path, twin: Path | None = None) -> bool:
    """Take the lease of a folder and empty it of what a dead attempt left. False: done, failed or held by another.

    `twin` is another folder for the same: where it is done or somebody is at it, there is nothing to do here.
    """
    with exclusive(root):
        if state(folder) in (State.RUNNING, State.DONE, State.FAILED):
            return False
        if twin is not None and state(twin) in (State.RUNNING, State.DONE):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        owner = {"pid": os.getpid(), "started": started(os.getpid()), "host": socket.gethostname()}
        write_json(folder / LEASE, owner)
        return True


@contextlib.contextmanager
def heartbeat(folder: Path) -> Iterator[None]:
    """Keep the lease fresh while the body runs, and give it back afterwards."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder / LEASE)

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        (folder / LEASE).unlink(missing_ok=True)


def release(folder: Path, pid: int) -> None:
    """Take the lease from a process of this host that was ended while it held it."""
    lease = read_lease(folder / LEASE) or {}
    if lease.get("pid") == pid and lease.get("host") == socket.gethostname():
        (folder / LEASE).unlink(missing_ok=True)


def forget(folder: Path) -> None:
    """Remove a folder's result or failure, so that it is made again; one that is running is left alone."""
    with exclusive(root_of(folder)):
        if state(folder) is not State.RUNNING:
            shutil.rmtree(folder, ignore_errors=True)


def adopt(source: Path, target: Path, root: Path) -> bool:
    """Make a finished folder also stand at `target` (hard links where the disk allows). False if not finished."""
    if state(source) is not State.DONE or state(target) is State.DONE:
        return False
    with exclusive(root):
        if state(target) in (State.DONE, State.RUNNING):
            return False
        shutil.rmtree(target, ignore_errors=True)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, part, copy_function=link_or_copy)
        os.replace(part, target)
        return True


def link_or_copy(source: str, target: str) -> None:
    """A hard link, or a copy where links are not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
