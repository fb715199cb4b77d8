"""Leases: a file names the process that computes a folder, so that no other one does."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.store.layout import LEASE

HEARTBEAT, EXPIRY = 15.0, 60.0  # seconds


def read_lease(path: Path) -> dict[str, Any] | None:
    """The owner of a lease: `{}` (nobody) for an unreadable file, None for a missing one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return {}


def alive(path: Path, lease: dict[str, Any]) -> bool:
    """Whether a lease's owner lives: on this host, its process; on other hosts, by a heartbeat of the last minute."""
    if "pid" not in lease:
        return False
    if lease.get("host") == socket.gethostname():
        return started(lease.get("pid", -1)) == lease.get("started")
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime < EXPIRY
    return False


def started(pid: int) -> str | None:
    """The start time of a living process, None if there is none. It tells a reused pid from the former process.

    On Linux in clock ticks since a named boot, so that changes of the clock do not matter.
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
    """Hold the store's lock in the body, in which a lease is read and taken."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def heartbeat(folder: Path) -> Iterator[None]:
    """Renew the lease while the body runs, and remove it afterwards."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(OSError):  # the job itself will meet and report what is wrong
                os.utime(folder / LEASE)

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        (folder / LEASE).unlink(missing_ok=True)


def release(folder: Path, pid: int) -> None:
    """Remove the lease of a process of this host that was killed while it held it."""
    lease = read_lease(folder / LEASE) or {}
    if lease.get("pid") == pid and lease.get("host") == socket.gethostname():
        (folder / LEASE).unlink(missing_ok=True)
