"""Causes of failures in words: what the system refused, and how a worker died."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench import system
from bench.errors import UserError
from bench.processes import gib, memory, out_of_memory, peak_memory
from tasks.errors import plural

FULL = (errno.ENOSPC, errno.EDQUOT)
LITTLE = 2**16  # free bytes of a disk below which a failed write is due to it: numpy's error has no number
# What else a signal means for a worker that it ended.
SIGNALS = {
    "SIGKILL": ", as the system sends when memory runs out",
    "SIGBUS": ", as for a mapped file on a full or broken disk",
    "SIGXFSZ": ", a file became larger than ulimit -f allows",
}


class StoreError(UserError):
    """The store cannot be written, so that no further cell can be finished."""


def store_error(error: BaseException, root: Path) -> StoreError | None:
    """The error that ends a run, if one was raised because the store's disk is full or read-only."""
    number = error.errno if isinstance(error, OSError) else None
    inside = not isinstance(error, OSError) or Path(str(error.filename or root)).is_relative_to(root)
    if (number in FULL and inside) or (number is None and full(root)):
        return StoreError(f"the disk of {root} is full; finished cells are kept, and the same command continues")
    if number == errno.EROFS and inside:
        return StoreError(f"{root} is on a disk that is read-only; finished cells are kept")
    return None


def full(root: Path) -> bool:
    """Whether the disk of a folder has no space left."""
    try:
        return shutil.disk_usage(root).free < LITTLE
    except OSError:
        return False


def explained(error: BaseException) -> str:
    """What the system refused and what fixes it, in brackets behind an error's message; empty for other errors."""
    number = error.errno if isinstance(error, OSError) else None
    if "CUDA out of memory" in str(error):
        return " (fewer --workers or a smaller batch_size need less)"
    if out_of_memory(error):
        limit = system.allowed("memory")[0]
        bound = f", ulimit -v allows {gib(limit)}" if limit >= 0 else ""
        return f" (out of memory: {figures(peak_memory(os.getpid()))}{bound}; fewer --workers need less)"
    if number in (errno.EMFILE, errno.ENFILE):
        return f" (ulimit -n allows {system.allowed('files')[0]} open files)"
    if number == errno.EFBIG:
        return " (ulimit -f limits the size of files)"
    return ""


def figures(peak: int) -> str:
    """The most memory that a worker had, and how much is free."""
    free, total = memory()
    return f"the worker had up to {gib(peak)}, and {gib(free)} of {gib(total)} are free"


def death(code: int) -> str:
    """How a process ended, from its exit code, which is negative for a signal."""
    if code >= 0:
        return f"died (exit code {code})"
    name = signal.Signals(-code).name
    return f"died ({name}{SIGNALS.get(name, '')})"


def in_turn(deaths: Sequence[str]) -> str:
    """The deaths of a job's workers, one after the other, equal ones counted."""
    counts = Counter(deaths).items()
    return ", then ".join(death if count == 1 else f"{death} ({plural(count, 'time')})" for death, count in counts)
