"""Leases: a locked file names the process that computes a folder, or that runs a grid.

A process holds the lock of its lease file until it ends, for whatever reason. On one machine a lease without a lock is
therefore that of a dead process; neither pids, nor PID namespaces (containers), nor clocks matter.

The locks of another machine may be invisible, on a network file system that keeps them local. Its leases live as long
as their owner changes their time of modification, at least once in `EXPIRY` seconds by the clock of the process that
watches them; clocks need not agree. An owner that was silent for longer may still work. It compares the token of its
lease under the store's lock before it publishes a result (`fenced`), and publishes nothing if the lease is not its own.
Where the store's lock does not reach the other machine either, two may take a folder in the same instant: the later
lease counts.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench import system
from bench.errors import UserError
from bench.store.files import parse_json
from bench.store.layout import LEASE, LOCK, RUNNING

HEARTBEAT, EXPIRY = 15.0, 60.0  # seconds
BOOT = Path("/proc/sys/kernel/random/boot_id")
BY_DESCRIPTOR = os.utime in os.supports_fd  # not on Windows, where no other file can take the place of an open one


class LeaseLostError(RuntimeError):
    """Another process has taken the folder that this one was computing."""


class Life(StrEnum):
    """Whether the owner of a lease lives. `UNKNOWN`: it is of another machine, and was not watched for long enough."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Held:
    """A lease of this process: its store, its file, and the open file whose lock it holds."""

    root: Path
    path: Path
    token: str
    descriptor: int


@dataclass
class Watched:
    """What this process has seen of a lease of another machine. `beat`: token and time of modification."""

    beat: tuple[str, int]
    since: float  # by the monotonic clock of this process
    renewed: bool = False  # whether the beat has changed while this process watched


_held: dict[Path, Held] = {}
_watched: dict[Path, Watched] = {}


@functools.cache
def machine() -> str:
    """The machine since its start, for all of its containers: processes with the same value see each other's locks."""
    with contextlib.suppress(OSError):
        return BOOT.read_text(encoding="ascii").strip()
    return socket.gethostname()


def life(path: Path) -> Life | None:
    """Whether the owner of a lease lives; None if there is no lease. Nobody owns a file that cannot be read."""
    try:
        with path.open("rb") as file:
            if locked(file.fileno()):
                return Life.ALIVE
            owner = owner_of(file.read())
            changed = os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    if "pid" not in owner or owner.get("machine") == machine():
        return Life.DEAD
    return watch(path, (owner.get("token", ""), changed))


def locked(descriptor: int) -> bool:
    """Whether another open file holds the lock of a lease."""
    try:
        return system.is_locked(descriptor)
    except OSError:
        return False  # locks do not work here, so no process of this machine holds one


def watch(path: Path, beat: tuple[str, int]) -> Life:
    """Whether a lease of another machine is renewed, as far as this process has watched it."""
    seen = _watched.get(path)
    if seen is None or seen.beat != beat:
        renewed = seen is not None and seen.beat[0] == beat[0]
        seen = _watched[path] = Watched(beat, time.monotonic(), renewed)
    if time.monotonic() - seen.since >= EXPIRY:
        return Life.DEAD
    return Life.ALIVE if seen.renewed else Life.UNKNOWN


def is_held(path: Path) -> bool:
    """Whether a process of this machine holds the lock of a lease."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return locked(file.fileno())
    return False


def read_lease(path: Path) -> dict[str, Any]:
    """The owner of a lease; `{}` (nobody) for a missing or unreadable file."""
    with contextlib.suppress(OSError):
        return owner_of(path.read_bytes())
    return {}


def owner_of(content: bytes) -> dict[str, Any]:
    """The owner that the content of a lease names; `{}` for content that cannot be read."""
    with contextlib.suppress(ValueError, TypeError):
        return dict(parse_json(content))
    return {}


@contextlib.contextmanager
def exclusive(root: Path) -> Iterator[None]:
    """Hold the store's lock in the body, in which a lease is read and taken. Raises UserError if locks do not work."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / LOCK).open("ab") as file:
        try:
            system.lock(file.fileno(), wait=True)
        except OSError as error:
            raise UserError(
                f"files in {root} cannot be locked ({error.strerror}); --out with a folder on another disk helps"
            ) from error
        yield


def take(root: Path, path: Path) -> None:
    """Create the lease `path` of this process, in place of a dead one. The caller holds the store's lock.

    Raises OSError, which names a file.
    """
    token = secrets.token_hex(8)
    owner = {"token": token, "machine": machine(), "host": socket.gethostname(), "pid": os.getpid()}
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = system.create_locked(path, json.dumps(owner, indent=1).encode() + b"\n")
    except OSError as error:  # of a full disk names no file
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error
    if (former := _held.pop(path, None)) is not None:
        os.close(former.descriptor)
    _held[path] = Held(root, path, token, descriptor)


@contextlib.contextmanager
def heartbeat(folder: Path) -> Iterator[None]:
    """Renew the lease of a folder while the body runs, and remove it afterwards."""
    with renewing(folder / LEASE):
        yield


@contextlib.contextmanager
def renewing(path: Path) -> Iterator[None]:
    """Renew a lease of this process while the body runs, and remove it afterwards."""
    held = _held[path]
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                # Of this process's own file, whatever the path leads to by now.
                os.utime(held.descriptor if BY_DESCRIPTOR else held.path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        give_back(held)


def give_back(held: Held) -> None:
    """Remove a lease of this process, unless another one has taken the folder since."""
    if _held.get(held.path) is held:
        del _held[held.path]
    removed = False
    try:
        if owns(held):
            with exclusive(held.root):
                if removed := owns(held):
                    system.remove_locked(held.path, held.descriptor)
    finally:
        if not removed:
            os.close(held.descriptor)


def owns(held: Held) -> bool:
    """Whether a lease of this process is still its own."""
    return read_lease(held.path).get("token") == held.token


@contextlib.contextmanager
def fenced(folder: Path) -> Iterator[None]:
    """Hold the store's lock in the body, which publishes a result. Raises LeaseLostError if this process held the lease
    of the folder and another one has taken it. A folder that this process never leased is nobody else's to publish."""
    held = _held.get(folder / LEASE)
    if held is None:
        yield
        return
    with exclusive(held.root):
        if not owns(held):
            raise LeaseLostError(f"{folder} was taken by another process while this one was silent")
        yield


def release(root: Path, folder: Path) -> None:
    """Remove the lease of a folder if its owner is dead, so that others need not find that out for themselves."""
    with exclusive(root):
        if life(folder / LEASE) is Life.DEAD:
            system.patiently((folder / LEASE).unlink, missing_ok=True)


@contextlib.contextmanager
def registered(root: Path) -> Iterator[None]:
    """Hold a lease of the whole run in the body: `bench clean` removes nothing from a store with a run."""
    path = root / RUNNING / secrets.token_hex(8)
    with exclusive(root):
        users(root)  # removes the leases of dead runs
        take(root, path)
    with renewing(path):
        yield


def users(root: Path) -> list[str]:
    """The processes that run a grid in a store, as users read it. The caller holds the store's lock: dead ones go."""
    living = []
    for path in sorted((root / RUNNING).glob("[!.]*")):
        if life(path) is Life.DEAD:
            system.patiently(path.unlink, missing_ok=True)
        elif owner := read_lease(path):
            living.append(f"process {owner.get('pid')} of {owner.get('host')}")
    return living


def wait_until_known(paths: Collection[Path]) -> None:
    """Watch leases of other machines until each of them was renewed, or silent for `EXPIRY` seconds."""
    while Life.UNKNOWN in [life(path) for path in paths]:
        time.sleep(1)
