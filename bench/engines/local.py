"""The local engine: a pool of warm worker processes that take jobs as soon as what they need is there.

The parent imports no torch: it holds the queue, the workers the models. A worker that dies takes its cell with it
(the lease is then stale) and is replaced.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING

from bench.jobs import Job
from bench.queue import Queue
from bench.store import State

if TYPE_CHECKING:
    from bench.worker import Outcome

POLL = 0.5  # seconds between looks at a cell that another run is training


def default_workers() -> int:
    """One per core this process may use; on a machine with GPUs, one per GPU."""
    gpus = len([entry for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()])
    return gpus or len(os.sched_getaffinity(0))


@dataclass
class Worker:
    """A process, the line to it, and what it is doing."""

    process: ForkServerProcess
    line: Connection
    job: Job | None = None


def execute(queue: Queue, workers: int, tell: Callable[[Job, State, Outcome | None], None]) -> None:
    """Run every job of the queue that can run. `tell` hears of each job that ends.

    KeyboardInterrupt and an exception in `tell` stop the workers at once; their cells become stale.
    """
    pool = [start() for _ in range(min(workers, max(1, queue.open)))] if queue.open else []
    try:
        while queue.open:
            for worker in pool:
                if worker.job is None and (job := queue.take()) is not None:
                    worker.job = job
                    worker.line.send(job)
            ready = wait([*(w.line for w in pool), *(w.process.sentinel for w in pool)], timeout=POLL)
            for worker in list(pool):
                if worker.line in ready or worker.process.sentinel in ready:
                    answer(queue, pool, worker, tell)
            for job in queue.revisit():
                tell(job, State.DONE, None)
    finally:
        stop(pool)


def answer(
    queue: Queue, pool: list[Worker], worker: Worker, tell: Callable[[Job, State, Outcome | None], None]
) -> None:
    """Take in what a worker sent, or that it died."""
    job, worker.job = worker.job, None
    try:
        outcome: Outcome = worker.line.recv()
    except (EOFError, ConnectionResetError):
        pool.remove(worker)
        worker.process.join()
        pool.append(start())
        if job is not None:
            code = worker.process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            queue.failed(job, f"its worker died ({how}); the same command runs it again")
            tell(job, State.STALE, None)
        return
    assert job is not None, "a worker answers only what it was asked"
    if outcome.state is State.RUNNING:
        queue.elsewhere(job)
        return
    queue.done(job) if outcome.state is State.DONE else queue.failed(job, outcome.cause)
    tell(job, outcome.state, outcome)


def start() -> Worker:
    """A new worker process from the preloaded fork server."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["bench.worker"])
    here, there = context.Pipe()
    with without_main():
        process = context.Process(target=serve, args=(there,), daemon=True)
        process.start()
    there.close()
    return Worker(process, here)


def serve(line: Connection) -> None:
    """The worker's entry point; what needs torch is imported on its side."""
    from bench.worker import main

    main(line)


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep multiprocessing from running the caller's script again in each worker: it has nothing the worker needs."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        if "__spec__" in kept:
            main.__spec__ = None
        if "__file__" in kept:
            del main.__file__
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def stop(pool: list[Worker]) -> None:
    """End idle workers politely and busy ones at once."""
    for worker in pool:
        with contextlib.suppress(BrokenPipeError, OSError):
            worker.line.send(None) if worker.job is None else worker.process.kill()
    for worker in pool:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()
