"""The local engine: a pool of warm worker processes that take jobs as soon as what they need is there.

The parent imports no torch: it holds the queue, the workers the models. A worker that dies takes its cell with it
(the lease is then stale) and is replaced.
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

# Of a process without threads that has imported what workers need; such a process is kept for all of them.
CONTEXT = multiprocessing.get_context("forkserver")
STARTS = 20  # times that a worker is asked for


def launched() -> bool:
    """Every process may start workers of its own."""
    return True


def follows() -> bool:
    """A worker is a process of its own kind, not a run of the command."""
    return False


def follow() -> None:
    """Nothing: see `follows`."""


def count(requested: int | None) -> int:
    """As many workers as requested; else one per GPU or, without GPUs, one per core this process may use."""
    return requested or len(devices()) or len(os.sched_getaffinity(0))


@dataclass
class Worker:
    """A process, the line to it, and what it is doing."""

    process: BaseProcess
    line: Connection
    device: str | None
    job: Job | None = None

    def give(self, job: Job) -> None:
        """Hand over a job; that the worker is dead shows when its answer is awaited."""
        self.job = job
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(job)


def execute(queue: Queue, workers: int, watcher: Watcher) -> None:
    """Run every job of the queue that can run.

    The first Ctrl-C closes the queue: what runs is finished. The second raises KeyboardInterrupt, which like any
    exception ends the workers at once; their leases are given back, so that nobody waits for them.
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
    """Hand out jobs and take in answers until nothing is left to wait for."""
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
    """Within the body the first Ctrl-C makes a call; the second does what Ctrl-C did before.

    Where Ctrl-C is ignored (a job in the background of a shell) or cannot be caught (another thread), nothing changes.
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
    """Take in what a worker sent, or that it died."""
    job, worker.job = worker.job, None
    try:
        # A worker whose fork server died looks dead while it lives: never wait for what it has not sent.
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
    assert job is not None, "a worker answers only what it was asked"
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
    """The worker's entry point; what needs torch is imported on its side."""
    from bench.execution.worker import main

    main(line, device)


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C: it is for the parent to decide what becomes of them."""
    resource_tracker.ensure_running()  # it would unblock the signal when it starts, so it starts first
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop(pool: list[Worker]) -> None:
    """End idle workers politely and busy ones at once, whose leases are given back."""
    for worker in pool:
        with contextlib.suppress(BrokenPipeError, OSError):
            worker.line.send(None) if worker.job is None else worker.process.kill()
    for worker in pool:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()
        if worker.job is not None and worker.process.pid is not None:
            release(worker.job.folder, worker.process.pid)
