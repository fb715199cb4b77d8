"""`bench.system` on Windows. It was never run there: tests run it on Linux, in a simulation (`tests.helpers.windows`).

Windows differs in three ways that matter here. A locked part of a file cannot be read by others, so locks are on bytes
far behind the end. A file that some process has open cannot be replaced or removed. A folder cannot be flushed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import getpass
import msvcrt
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, ParamSpec, TypeVar

assert sys.platform == "win32"

P = ParamSpec("P")
T = TypeVar("T")

START_METHOD: Literal["spawn"] = "spawn"
MOST_PROCESSES: int | None = 30  # Windows waits for 63 handles at once, and a worker has two
# Windows raises SIGBREAK when the console is closed, and for Ctrl-Break.
ENDING: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGBREAK)
UNUSABLE: Mapping[str, str] = {"slurm": "SLURM and its client submitit need Linux"}
FIRST, BYTES = 2**30, 2**16  # the locked part of a file; positions are below 2^31
AGAIN = 0.01  # seconds between two attempts
PATIENCE = 2.0  # seconds until another process must have closed a file


def lock(descriptor: int, *, wait: bool) -> bool:
    """See `bench.system.posix`."""
    while not locking(descriptor, msvcrt.LK_NBLCK, FIRST, BYTES):
        if not wait:
            return False
        time.sleep(AGAIN)
    return True


def is_locked(descriptor: int) -> bool:
    """See `bench.system.posix`. Locks one byte for a moment, drawn at random: two that ask hardly draw the same."""
    byte = FIRST + secrets.randbelow(BYTES)
    if not locking(descriptor, msvcrt.LK_NBLCK, byte, 1):
        return True
    locking(descriptor, msvcrt.LK_UNLCK, byte, 1)
    return False


def locking(descriptor: int, mode: int, first: int, count: int) -> bool:
    """Lock or unlock bytes of an open file, whose position stays. False if another open file holds one of them."""
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, first, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, mode, count)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EDEADLOCK):
            return False
        raise
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)
    return True


def create_locked(path: Path, content: bytes) -> int:
    """See `bench.system.posix`. For an instant the file is seen without its lock, as that of a dead process.

    Nobody acts on that who does not hold the store's lock, as the caller does.
    """
    patiently(path.unlink, missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_BINARY)
    try:
        lock(descriptor, wait=True)
        os.write(descriptor, content)
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def remove_locked(path: Path, descriptor: int) -> None:
    """See `bench.system.posix`."""
    os.close(descriptor)
    patiently(path.unlink, missing_ok=True)


def patiently(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a function that replaces or removes files, again for a while if another process has one of them open.

    So do readers, virus scanners and indexers, for a moment. Raises PermissionError if it stays open.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return call(*arguments, **options)
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(AGAIN)


def flush(path: Path) -> None:
    """See `bench.system.posix`. Nothing for a folder, whose entries NTFS keeps in a journal."""
    if path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def claim_space(file: BinaryIO) -> None:
    """See `bench.system.posix`. Windows has claimed it already, since files are sparse on request alone."""


def space_of(status: os.stat_result) -> int:
    """See `bench.system.posix`. Without the rest of the last block."""
    return status.st_size


def allowed(what: Literal["files", "memory"]) -> tuple[int, int]:
    """See `bench.system.posix`."""
    return (-1, -1)


def allow(what: Literal["files", "memory"], number: int) -> None:
    """See `bench.system.posix`."""


@contextlib.contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """See `bench.system.posix`. Processes inherit that the console's Ctrl-C is ignored; in the body it is lost."""
    ignore = ctypes.windll.kernel32.SetConsoleCtrlHandler
    ignore(None, True)
    try:
        yield
    finally:
        ignore(None, False)


def user() -> str:
    """See `bench.system.posix`."""
    return getpass.getuser()


def folder_name(name: str) -> str:
    """See `bench.system.posix`."""
    return name.replace(":", "@")
