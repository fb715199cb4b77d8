"""The local engine: a pool of warm worker processes. A worker gets a job as soon as all jobs that it needs are done.

The parent holds the queue and imports no torch; the workers hold the models. When a worker dies, its job counts as
failed, and a new worker replaces it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from bench.execution.engines.engine import POLL, Watcher, settle
from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.processes import devices, without_main
from bench.store.folders import State
from bench.store.leases import release

# Workers are forked from one process without threads that has imported torch and all else that they need.
CONTEXT = multiprocessing.get_context("forkserver")
STARTS = 20  # attempts to start a worker


def launched() -> bool:
    """True: any process may start workers."""
    return True


def follows() -> bool:
    """False: workers are forked, and do not run the command."""
    return False


def follow() -> None:
    """Never called, see `follows`."""


def count(requested: int | None) -> int:
    """The requested number of workers; else one per GPU or, without GPUs, one per core this process may use."""
    return requested or len(devices()) or len(os.sched_getaffinity(0))


@dataclass
class Worker:
    """A worker process, the pipe to it, and its current job."""

    process: BaseProcess
    line: Connection
    device: str | None
    job: Job | None = None

    def give(self, job: Job) -> None:
        """Send a job. `answer` notices if the worker is dead."""
        self.job = job
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(job)


def execute(queue: Queue, workers: int, watcher: Watcher) -> None:
    """Run every job of the queue whose needs can be met.

    The first Ctrl-C closes the queue: running jobs are finished. The second raises KeyboardInterrupt, which like any
    exception ends the workers at once; their leases are removed, so that no other run waits for them.
    """
    gpus: list[str | None] = [*devices()] or [None]
    pool: list[Worker] = []
    try:
        with first_interrupt(queue.close):
            pool += (start(gpus[i % len(gpus)]) for i in range(min(workers, queue.open)))
            serve_queue(queue, pool, watcher)
    finally:
        stop(pool)


def serve_queue(queue: Queue, pool: list[Worker], watcher: Watcher) -> None:
    """Hand out jobs and take in outcomes until no job is open."""
    while queue.open:
        for worker in pool:
            if worker.job is None and (job := queue.take()) is not None:
                worker.give(job)
        ready = wait([*(w.line for w in pool), *(w.process.sentinel for w in pool)], timeout=POLL)
        for worker in list(pool):
            if worker.line in ready or worker.process.sentinel in ready:
                answer(queue, pool, worker, watcher)
        for job in queue.revisit():
            watcher.tell(job, State.DONE, None)
        watcher.pulse()


@contextlib.contextmanager
def first_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """Within the body the first Ctrl-C calls `call`; the second has the handler that was set before.

    Nothing changes where Ctrl-C is ignored (a job in the background of a shell) or cannot be caught (another thread).
    """
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.SIG_IGN, None) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        call()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def answer(queue: Queue, pool: list[Worker], worker: Worker, watcher: Watcher) -> None:
    """Take in the outcome that a worker sent, or replace the worker if it died."""
    job, worker.job = worker.job, None
    try:
        # After its fork server died, a living worker looks dead: `recv` would wait for an outcome not sent yet.
        if not worker.line.poll():
            raise EOFError
        outcome: Outcome = worker.line.recv()
    except (EOFError, ConnectionResetError):
        pool.remove(worker)
        worker.process.kill()
        worker.process.join()
        pool.append(start(worker.device))
        if job is not None:
            code = worker.process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            queue.failed(job, f"its worker died ({how}); the same command runs it again")
            watcher.tell(job, State.STALE, None)
        return
    assert job is not None, "a worker sends an outcome only for a job"
    settle(queue, job, outcome, watcher)


def start(device: str | None) -> Worker:
    """A new worker process from the preloaded fork server, for a GPU or for the CPU.

    After the fork server was killed, connections fail until it has been reaped; then a new one starts.
    """
    for _ in range(STARTS):
        try:
            return start_once(device)
        except (EOFError, ConnectionError):
            time.sleep(POLL)
    return start_once(device)


def start_once(device: str | None) -> Worker:
    """A new worker process. Raises EOFError or ConnectionError where the fork server is dying."""
    CONTEXT.set_forkserver_preload(["bench.execution.worker"])
    here, there = CONTEXT.Pipe()
    with without_main(), without_interrupts():
        process = CONTEXT.Process(target=serve, args=(there, device), daemon=True)
        process.start()
    there.close()
    return Worker(process, here, device)


def serve(line: Connection, device: str | None) -> None:
    """The worker's entry point. Torch is imported here, in the worker, and not in the parent."""
    from bench.execution.worker import main

    main(line, device)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started in the body ignore Ctrl-C: the parent decides when they end."""
    resource_tracker.ensure_running()  # started before, since its start unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(pool: list[Worker]) -> None:
    """Ask idle workers to end; kill busy ones and remove their leases."""
    for worker in pool:
        with contextlib.suppress(BrokenPipeError, OSError):
            worker.line.send(None) if worker.job is None else worker.process.kill()
    for worker in pool:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()
        if worker.job is not None:
            release(worker.job.root, worker.job.folder)
