"""`bench.system` on Linux and macOS."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, ParamSpec, TypeVar

assert sys.platform != "win32"

P = ParamSpec("P")
T = TypeVar("T")

# Processes are forked from one without threads that has imported what they need.
START_METHOD: Literal["forkserver"] = "forkserver"
MOST_PROCESSES: int | None = None  # that one process can wait for; None: any number
# Signals that end a run, besides Ctrl-C. A terminal sends SIGHUP when it is closed.
ENDING: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGHUP)
UNUSABLE: Mapping[str, str] = {}  # engines that cannot work on this system, and why
LIMITS = {"files": resource.RLIMIT_NOFILE, "memory": resource.RLIMIT_AS}


def lock(descriptor: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed. False if another open file holds the lock and this one shall not wait.

    Raises OSError on a file system without locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def is_locked(descriptor: int) -> bool:
    """Whether another open file holds the lock. Several processes may ask at once. Raises OSError as `lock` does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def create_locked(path: Path, content: bytes) -> int:
    """The descriptor of a new, locked file, which replaces `path`: it is locked from the moment that it can be seen."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        lock(descriptor, wait=True)
        os.write(descriptor, content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        os.close(descriptor)
        raise
    return descriptor


def remove_locked(path: Path, descriptor: int) -> None:
    """Remove and close a locked file of this process; afterwards `path` is not there, or another file."""
    try:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def patiently(call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a function that replaces or removes files. Here nobody who has them open is in its way."""
    return call(*arguments, **options)


def flush(path: Path) -> None:
    """Write a file or the entries of a folder to the disk. Raises OSError, which names it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such request for folders
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def claim_space(file: BinaryIO) -> None:
    """Claim the disk space of a file that was made by setting its size; a Mac cannot. Raises OSError on a full disk.

    Without it, a full disk is noticed when a page of the mapped file is written, and the process dies by a signal.
    """
    if sys.platform != "darwin":
        os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def space_of(status: os.stat_result) -> int:
    """The bytes that a file takes up on the disk."""
    return status.st_blocks * 512


def allowed(what: Literal["files", "memory"]) -> tuple[int, int]:
    """How many open files, or bytes of memory, the shell allows a process now, and at most; below 0 is any number."""
    return resource.getrlimit(LIMITS[what])


def allow(what: Literal["files", "memory"], number: int) -> None:
    """Change what `allowed` returns first."""
    resource.setrlimit(LIMITS[what], (number, resource.getrlimit(LIMITS[what])[1]))


@contextlib.contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Processes started in the body ignore Ctrl-C until they decide otherwise. This one gets it after the body."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started before, since its start unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def user() -> str:
    """A name for this user's own folder in one that all users share."""
    return str(os.getuid())


def folder_name(name: str) -> str:
    """The name of a folder for that of a W&B artifact, which has a colon."""
    return name
