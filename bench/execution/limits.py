"""Limits of a run: how long a job may take, how often it is tried, and what the shell must allow a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench import system
from bench.config.run_arguments import ExecutionArguments
from bench.devices import Device, missing, unusable
from bench.errors import UserError
from bench.jobs import CellJob, DynamicsJob, Job
from bench.planning import estimate
from bench.processes import gib
from tasks.errors import plural

SILENCE = 3600.0  # seconds without a heartbeat after which a job without an estimate is given up
QUIET, SLOW = 600.0, 20.0  # the same for other jobs: so many seconds, and so many times their estimate
FILES, FILES_PER_WORKER = 12, 4  # open files that a run needs, and those of each worker
ADDRESSES = 2 * 2**30  # bytes of address space that a process with torch or scipy needs: OpenBLAS hangs at 1.5


@dataclass(frozen=True)
class Limits:
    """When a worker is given up, and how often its job is run again. Nothing here changes a result."""

    retries: int = 1  # further runs of a job whose worker died
    cell_timeout: float | None = None  # seconds that a training may take; None: any number
    most: int | None = None  # workers that --workers allows; None: the engine decides
    silence: Callable[[Job], float] = lambda _: SILENCE  # seconds that a job may take without a heartbeat

    def over_time(self, job: Job, seconds: float) -> str:
        """Why a job that has run for so long is given up; empty where --cell-timeout allows it."""
        training = isinstance(job, CellJob | DynamicsJob)
        if training and self.cell_timeout is not None and seconds > self.cell_timeout:
            return f"took longer than --cell-timeout {self.cell_timeout:g} s"
        return ""


def limits(jobs: Iterable[Job], everything: Iterable[Job], arguments: ExecutionArguments) -> Limits:
    """The limits for `jobs`; `everything` is the plan they belong to.

    A heartbeat is sent by loops over updates and batches. Jobs without an estimate may have no such loop.
    """
    seconds = estimate.each(jobs, everything)

    def silence(job: Job) -> float:
        expected = seconds.get(job.id, 0.0)
        return QUIET + SLOW * expected if expected else SILENCE

    return Limits(arguments.retries, arguments.cell_timeout, arguments.workers, silence)


def require_device(choice: Device) -> None:
    """Raise UserError where this machine lacks the kind of device that --device names."""
    if why := missing(choice):
        raise UserError(f"--device {choice}: {why}; without --device the run takes what is there")


def require_gpu() -> None:
    """Raise UserError where torch cannot use the GPU on which this process shall compute."""
    if why := unusable():
        raise UserError(f"{why}; --device cpu computes without it")


def require_limits(workers: int) -> None:
    """Raise UserError where the limits of the shell or the system are too low for a run.

    The limit of open files is raised if it may be. Under too low limits a library would fail somewhere, or wait for
    memory for ever.
    """
    if system.MOST_PROCESSES is not None and workers > system.MOST_PROCESSES:
        raise UserError(f"--workers {workers}: this system lets a run have at most {system.MOST_PROCESSES}")
    needed = FILES + FILES_PER_WORKER * workers
    soft, hard = system.allowed("files")
    if 0 <= soft < needed:
        if 0 <= hard < needed:
            on = plural(workers, "worker")
            raise UserError(f"a run on {on} needs {needed} open files, and the shell allows {hard}: see ulimit -n")
        system.allow("files", needed)
    size = system.allowed("memory")[0]
    if 0 <= size < ADDRESSES:
        raise UserError(f"a process needs {gib(ADDRESSES)} of memory, and the shell allows {gib(size)}: see ulimit -v")
