"""The interface of engines: a frozen dataclass that runs the jobs of a queue, and whose fields are its settings."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Any, ClassVar, Protocol

from bench.errors import UserError
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.store.folders import State
from bench.store.layout import LEASE
from bench.store.leases import is_held, release

POLL = 0.5  # seconds between two checks of a job that another run is computing
ENDS = 5.0  # seconds in which a killed process ends: the system takes back its memory first


class Watcher(Protocol):
    """Follows the jobs of a run, for instance to print them."""

    def tell(self, job: Job, state: State, outcome: Outcome | None) -> None:
        """Called when a job ended, here or (without an outcome) in another run. An exception stops the workers."""

    def retry(self, job: Job, cause: str) -> None:
        """Called when a worker died, for a cause, and its job will be run again."""

    def pulse(self) -> None:
        """Called at least every `POLL` seconds between jobs."""

    def note(self, notes: Iterable[str]) -> None:
        """Print lines, each text once in a run."""

    def running_on(self, nodes: Mapping[str, int]) -> None:
        """Called by engines of several machines: how many jobs run on each of them."""


class Engine:
    """Runs the jobs of a queue. A field is a setting of `--engine-set`, made by `setting`.

    `bench list engines` prints the first line of an engine's docstring, and its fields.
    """

    rounds: ClassVar[bool] = True  # whether `execute` may be called again in the same process
    here: ClassVar[bool] = True  # whether cells are trained on this machine, which then needs the devices
    timed: ClassVar[bool] = True  # whether it ends a training after --cell-timeout
    remote: ClassVar[bool] = True  # whether it asks the queue before each job, as a remote store needs

    def require(self) -> None:
        """Raise UserError where the engine cannot run: a package that is missing, no cluster at the address."""

    def follows(self) -> bool:
        """Whether this process only helps another one to train: it plans as that one does, and reports nothing."""
        return False

    def follow(self) -> None:
        """Take part in the trainings that the leading process starts, until it has no more work."""

    def ahead(self) -> AbstractContextManager[None]:
        """Start what takes long before the first job can run: the body plans the run, and then runs it."""
        return contextlib.nullcontext()

    def count(self, requested: int | None) -> int:
        """The number of workers; `requested` is that of --workers. Raises UserError for an engine that fixes it."""
        raise NotImplementedError

    def execute(self, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        """Run every job of the queue whose needs can be met. Raises UserError where the store cannot be written."""
        raise NotImplementedError


def setting(default: Any, note: str) -> Any:
    """A field of an engine: its default, and what it is."""
    return field(default=default, metadata={"note": note})


def settle(queue: Queue, job: Job, outcome: Outcome, watcher: Watcher) -> None:
    """Note in the queue how a job ended, and call the watcher; a job that runs elsewhere is waited for."""
    if outcome.state is State.RUNNING:
        queue.runs_elsewhere(job)
        return
    queue.done(job) if outcome.state is State.DONE else queue.failed(job, outcome.cause)
    watcher.tell(job, outcome.state, outcome)


def give_back(job: Job) -> None:
    """Remove the lease of a job whose process ended, or was killed and ends within `ENDS` seconds.

    Where the store cannot be written, it stays; its owner is dead.
    """
    # That a process has ended is said too early where what started it has ended: the fork server, or Ray.
    until = time.monotonic() + ENDS
    while is_held(job.folder / LEASE) and time.monotonic() < until:
        time.sleep(0.01)
    with contextlib.suppress(OSError, UserError):
        release(job.root, job.folder)


def try_again(queue: Queue, job: Job, watcher: Watcher, text: str, *, again: bool) -> None:
    """Run a job again whose process died, as `text` says, or note its failure if that was the last attempt."""
    if again:
        queue.again(job)
        watcher.retry(job, text)
    else:
        queue.failed(job, f"{text}; the same command runs it again")
        watcher.tell(job, State.STALE, None)
