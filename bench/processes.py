"""Processes: pools that do not run the caller's script again, their memory and heartbeats."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import system

if TYPE_CHECKING:
    import psutil

CONTEXT = multiprocessing.get_context(system.START_METHOD)
# What scores cells and draws figures: imported once for all processes of a report, where they are forked.
REPORTS = (
    "bench.leaderboard.figures",
    "seaborn",
    "pyarrow.parquet",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
)
MANY = 1_000  # cells of a report from which several processes work on it: with fewer, starting them takes longer
BEAT = 1.0  # seconds between two heartbeats
# Words of an error that memory ran out.
NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "failed to map segment")


class Heart:
    """Calls a function when work goes on, at most once in `BEAT` seconds. A worker tells its parent by it."""

    def __init__(self, call: Callable[[], None] = lambda: None) -> None:
        self.call, self.last = call, 0.0

    def beat(self) -> None:
        """Called by every loop over updates or batches."""
        now = time.monotonic()
        if now - self.last >= BEAT:
            self.last = now
            self.call()


HEART = Heart()  # of this process; a worker sets its function
_server: psutil.Process | None = None  # the fork server that `start_server` started


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep multiprocessing from running the caller's script in each new process, where it is not needed."""
    main = sys.modules["__main__"]
    saved = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        if "__spec__" in saved:
            main.__spec__ = None
        if "__file__" in saved:
            del main.__file__
        yield
    finally:
        for name, value in saved.items():
            setattr(main, name, value)


def start_server(modules: Sequence[str]) -> None:
    """Start the fork server, unless it runs: it imports modules while this process goes on.

    Where it cannot start, nothing is said: starting a process tries it again, and says why.
    """
    global _server
    from multiprocessing import forkserver

    CONTEXT.set_forkserver_preload(list(modules))
    before = server()
    with without_main(), system.ignoring_interrupts(), contextlib.suppress(OSError):
        forkserver.ensure_running()
    if (now := server()) != before:
        _server = now


def end_server() -> None:
    """End the fork server that `start_server` started, also while it imports, unless processes of it are alive.

    It would else end with this process, but not before its imports. The next process starts another one.
    """
    global _server
    import psutil

    ended, _server = _server, None
    with contextlib.suppress(psutil.NoSuchProcess):
        if ended is None or ended.children():
            return
        ended.kill()
        # multiprocessing waits for it when it starts another one, and must find it dead then.
        while ended.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)


def server() -> psutil.Process | None:
    """The fork server that multiprocessing started last; None if there is none, or it was waited for."""
    from multiprocessing import forkserver

    import psutil

    # Not found by its command line: the system shows an empty one while the process begins.
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    with contextlib.suppress(psutil.NoSuchProcess):
        return None if pid is None else psutil.Process(pid)
    return None


class Here(Executor):
    """A pool without processes: what is submitted is done at once, in this process."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The result of a call, or its error, as a pool of processes gives them."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def pool_of_cells(cells: int) -> Iterator[Executor]:
    """A pool for a report on so many cells: of this process alone where they are few, or where it has one core."""
    several = cells >= MANY and cores() > 1
    with one_thread(), pool(cores()) if several else Here() as executor:
        yield executor


@contextlib.contextmanager
def pool(parts: int) -> Iterator[ProcessPoolExecutor]:
    """A pool for a report, with a process per core, but at most `parts`. They start when work is submitted.

    The process that they are forked from starts at once: it imports what they need while this one goes on. After an
    error, work that has not begun is left out.
    """
    count = min(cores(), parts)
    with without_main(), ProcessPoolExecutor(count, mp_context=CONTEXT, initializer=one_thread) as executor:
        if CONTEXT.get_start_method() == "forkserver":
            start_server(REPORTS)
        try:
            yield executor
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise


def one_thread() -> contextlib.AbstractContextManager[Any]:
    """Let NumPy multiply matrices in one thread, until the end of a context if it is used as one.

    The products of a report are small: further threads mostly wait for each other, and take processors meanwhile.
    """
    import numpy  # noqa: F401  # what is limited must be there
    from threadpoolctl import threadpool_limits

    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits


def cores() -> int:
    """The processor cores that this process may use, at most `system.MOST_PROCESSES`."""
    # Only Linux binds processes to cores.
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, system.MOST_PROCESSES or found)


def gib(size: float) -> str:
    """Bytes in words: `1.5 GiB`."""
    return f"{size / 2**30:.1f} GiB"


def peak_memory(pid: int) -> int:
    """The most bytes that a living process has had in memory; 0 if it has ended, or without /proc."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return 0


def memory() -> tuple[int, int]:
    """Bytes of memory that are free, and in all: of this machine, or of the container where it has fewer."""
    import psutil

    machine = psutil.virtual_memory()
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / f"memory.{name}").read_text("utf-8")) for name in ("max", "current"))
        if limit < machine.total:
            return max(0, limit - used), limit
    return machine.available, machine.total


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is that memory ran out, on the CPU or on a GPU."""
    refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or refused or any(word in str(error).lower() for word in NO_MEMORY)


def stopped(pid: int) -> bool:
    """Whether a signal stopped a process, as SIGSTOP does."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "T"
    return False
