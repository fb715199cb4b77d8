"""The local engine: a pool of warm worker processes. A worker gets a job as soon as all jobs that it needs are done.

The parent holds the queue and imports no torch; the workers hold the models. A worker that dies, or that shows no
progress for too long, is replaced, and its job is run again; after the last attempt the job counts as failed.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench import devices
from bench.errors import UserError
from bench.execution.causes import death, explained, figures, in_turn
from bench.execution.engines.engine import POLL, Engine, Watcher, give_back, settle, try_again
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.execution.signals import ending_signals, first_interrupt
from bench.jobs import Job, Outcome
from bench.processes import CONTEXT, cores, end_server, peak_memory, start_server, stopped, without_main
from bench.system import ignoring_interrupts

PRELOAD = ("bench.execution.engines.preloaded",)  # what the fork server imports
STARTS = 20  # attempts to start a worker
STEP = 10 * POLL  # seconds that one look at a worker adds at most: this process may have been stopped meanwhile


@dataclass
class Worker:
    """A worker process, the pipe to it, and its current job."""

    process: BaseProcess
    line: Connection
    device: str | None
    job: Job | None = None
    peak: int = 0  # the most bytes that it was seen to have in memory
    checked: float = field(default_factory=time.monotonic)
    busy: float = 0.0  # seconds since the job began
    silent: float = 0.0  # seconds since its last heartbeat

    def give(self, job: Job) -> None:
        """Send a job. `answer` notices if the worker is dead."""
        self.job, self.busy, self.silent = job, 0.0, 0.0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.line.send(job)

    def check(self) -> None:
        """Note the time that has passed and the size of the process."""
        now = time.monotonic()
        passed, self.checked = min(now - self.checked, STEP), now
        self.busy, self.silent = self.busy + passed, self.silent + passed
        self.peak = max(self.peak, peak_memory(self.process.pid or 0))

    def overdue(self, limits: Limits) -> str:
        """Why its job takes too long; empty if it does not."""
        if self.job is None:
            return ""
        why = limits.over_time(self.job, self.busy)
        if not why and self.silent > limits.silence(self.job):
            why = f"made no progress for {self.silent:.0f} s"
        return f"{why}, stopped by a signal" if why and stopped(self.process.pid or 0) else why


@dataclass(frozen=True)
class Local(Engine):
    """Worker processes of this machine, which import torch and load the encoder once."""

    @contextlib.contextmanager
    def ahead(self) -> Iterator[None]:
        """Start the fork server, whose imports take seconds. It is ended where the body raises: a refused run."""
        if CONTEXT.get_start_method() != "forkserver":
            yield
            return
        start_server(PRELOAD)
        try:
            yield
        except BaseException:
            end_server()
            raise

    def count(self, requested: int | None) -> int:
        """The requested number of workers; else one per GPU, one on MPS, or one per core this process may use."""
        return requested or len(devices.gpus()) or (1 if devices.on_mps() else cores())

    def execute(self, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        """Run every job of the queue whose needs can be met.

        The first Ctrl-C closes the queue: running jobs are finished. The second raises KeyboardInterrupt, and SIGTERM
        and SIGHUP raise Stopped, which like any exception ends the workers at once; their leases are removed, so that
        no other run waits for them. Raises UserError where the store cannot be written or a worker cannot start.
        """
        if not queue.open:
            end_server()  # the report has one of its own then, with what it needs
            return
        pool = Pool(queue, watcher, limits)
        try:
            with first_interrupt(queue.close), ending_signals() as check:
                pool.start(min(workers, queue.open))
                pool.serve(check)
        finally:
            stop(pool.workers)


class Pool:
    """The workers of a run with its queue."""

    def __init__(self, queue: Queue, watcher: Watcher, limits: Limits) -> None:
        self.queue, self.watcher, self.limits = queue, watcher, limits
        self.workers: list[Worker] = []
        self.deaths: defaultdict[str, list[str]] = defaultdict(list)  # job id -> how each of its workers died

    def start(self, number: int) -> None:
        """Start workers; GPUs are assigned in turn."""
        gpus: list[str | None] = [*devices.gpus()] or [None]
        self.workers += (start(gpus[i % len(gpus)]) for i in range(number))

    def serve(self, check: Callable[[], None]) -> None:
        """Hand out jobs and take in outcomes until no job is open. `check` is called often and may raise."""
        while self.queue.open:
            check()
            for worker in self.workers:
                if worker.job is None and (job := self.queue.take()) is not None:
                    worker.give(job)
            ready = wait([*(w.line for w in self.workers), *(w.process.sentinel for w in self.workers)], timeout=POLL)
            check()
            for worker in list(self.workers):
                worker.check()
                if worker.line in ready or worker.process.sentinel in ready:
                    self.answer(worker)
                elif cause := worker.overdue(self.limits):
                    self.replace(worker, cause)
            for job, ended in self.queue.revisit():
                self.watcher.tell(job, ended, None)
            self.watcher.pulse()

    def answer(self, worker: Worker) -> None:
        """Take in what a worker sent (a heartbeat, an outcome, or why the run must stop), or replace a dead one."""
        try:
            # After its fork server died, a living worker looks dead: `recv` would wait for an outcome not sent yet.
            if not worker.line.poll():
                raise EOFError
            message: Outcome | UserError | None = worker.line.recv()
        except (EOFError, ConnectionError):
            self.replace(worker)
            return
        worker.silent = 0.0
        if isinstance(message, UserError):
            raise message
        if message is not None:
            job, worker.job = worker.job, None
            assert job is not None, "a worker sends an outcome only for a job"
            settle(self.queue, job, message, self.watcher)
            if message.gpu_lost:
                self.replace(worker)

    def replace(self, worker: Worker, cause: str = "") -> None:
        """Put a new worker in the place of one that died, or that is given up for a `cause`; its job is run again."""
        self.workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        if worker.job is not None:
            give_back(worker.job)
            self.lost(worker.job, f"its worker {cause or death(worker.process.exitcode or 0)}", worker.peak)
        self.workers.append(start(worker.device))

    def lost(self, job: Job, cause: str, peak: int) -> None:
        """Run a job again whose worker died, or note its failure if that was the last attempt."""
        self.deaths[job.id].append(cause)
        text = f"{in_turn(self.deaths[job.id])}; {figures(peak)}"
        again = len(self.deaths[job.id]) <= self.limits.retries
        try_again(self.queue, job, self.watcher, text, again=again)


def start(device: str | None) -> Worker:
    """A new worker process from the preloaded fork server, for a GPU or for the CPU.

    After the fork server was killed, connections fail until it has been reaped; then a new one starts. Raises UserError
    where no process can be started.
    """
    for _ in range(STARTS):
        try:
            return start_once(device)
        except (EOFError, ConnectionError):
            time.sleep(POLL)
        except OSError as error:
            raise UserError(f"a worker process cannot start: {error.strerror}{explained(error)}") from error
    raise UserError(
        f"a worker process cannot start: the process that starts them ended {STARTS} times, perhaps for lack of "
        "memory; try --workers 1"
    )


def start_once(device: str | None) -> Worker:
    """A new worker process. Raises EOFError or ConnectionError where the fork server is dying."""
    if CONTEXT.get_start_method() == "forkserver":
        CONTEXT.set_forkserver_preload(list(PRELOAD))
    ends: tuple[Any, Any] = CONTEXT.Pipe()  # of type Connection; on Windows PipeConnection, which has the same methods
    here, there = ends
    with without_main(), ignoring_interrupts():
        process = CONTEXT.Process(target=serve, args=(there, devices.only(device)), daemon=True)
        process.start()
    there.close()
    return Worker(process, here, device)


def serve(line: Connection, environment: devices.Environment) -> None:
    """The worker's entry point. Torch is imported here, in the worker, and not in the parent."""
    try:
        from bench.execution.worker import main
    except (Exception, SystemExit) as error:  # whatever is wrong is wrong for each worker
        line.send(UserError(f"a worker process cannot start: {type(error).__name__}: {error}"))
        return
    main(line, environment)


def stop(pool: list[Worker]) -> None:
    """Ask idle workers to end; kill busy ones and remove their leases."""
    for worker in pool:
        with contextlib.suppress(BrokenPipeError, OSError):
            worker.line.send(None) if worker.job is None else worker.process.kill()
    for worker in pool:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join(timeout=5)
        if worker.job is not None:
            give_back(worker.job)
