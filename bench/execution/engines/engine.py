"""What an engine is: a module that runs the jobs of a queue, with the functions of `Engine`."""

from __future__ import annotations

from typing import Protocol

from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.store.folders import State

POLL = 0.5  # seconds between two checks of a cell that another run is training


class Watcher(Protocol):
    """Who is told how the jobs go."""

    def tell(self, job: Job, found: State, outcome: Outcome | None) -> None:
        """A job ended, here or (without an outcome) in another run. An exception stops the workers at once."""

    def pulse(self) -> None:
        """Some time has passed, at most `POLL` seconds."""


class Engine(Protocol):
    """Runs the jobs of a queue. The modules of this package are engines; `ENGINES` lists them."""

    def launched(self) -> bool:
        """Whether this process was started for this engine."""

    def follows(self) -> bool:
        """Whether this process trains what another one tells it, and plans and reports nothing itself."""

    def follow(self) -> None:
        """Train what the leading process says, until it has no more work."""

    def count(self, requested: int | None) -> int:
        """The number of workers; `requested` is that of --workers. Raises UserError where it cannot be chosen."""

    def execute(self, queue: Queue, workers: int, watcher: Watcher) -> None:
        """Run every job of the queue that can run."""


def settle(queue: Queue, job: Job, outcome: Outcome, watcher: Watcher) -> None:
    """Record in the queue how a job ended, and tell the watcher."""
    if outcome.state is State.RUNNING:
        queue.elsewhere(job)
        return
    queue.done(job) if outcome.state is State.DONE else queue.failed(job, outcome.cause)
    watcher.tell(job, outcome.state, outcome)
