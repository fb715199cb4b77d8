"""The jobs of one array task: they run on worker processes of its node, and their begins and ends go into a journal.

Several tasks may need one table. The store's lease decides which of them computes it; the others wait for it.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.execution.engines.local import Local
from bench.execution.limits import SILENCE, Limits
from bench.execution.prepare import current_state
from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.store.folders import State, failure
from bench.store.leases import registered


@dataclass(frozen=True)
class Event:
    """A line of a journal: a job began (`running`) or ended, or (`stop`) why the task can run nothing."""

    job: str
    state: str
    cause: str = ""
    seconds: float = 0.0


class Journal:
    """Writes the journal of an array task. The watcher of its jobs."""

    def __init__(self, path: Path, queue: Queue) -> None:
        self.path, self.queue = path, queue
        queue.changed.append(self.change)

    def change(self, identity: str, before: State) -> None:
        """Called when the state of a job changes."""
        if self.queue.states[identity] is State.RUNNING:
            self.write(Event(identity, "running"))

    def tell(self, job: Job, state: State, outcome: Outcome | None) -> None:
        """See `engines.engine.Watcher`."""
        if outcome is not None:
            self.write(Event(job.id, str(outcome.state), outcome.cause, outcome.seconds))
        elif state is State.STALE:
            self.write(Event(job.id, "failed", self.queue.causes.get(job.id, "its worker died")))

    def retry(self, job: Job, cause: str) -> None:
        """See `engines.engine.Watcher`."""
        self.write(Event(job.id, "retry", cause))

    def pulse(self) -> None:
        """See `engines.engine.Watcher`."""

    def note(self, notes: Iterable[str]) -> None:
        """See `engines.engine.Watcher`."""

    def running_on(self, nodes: Mapping[str, int]) -> None:
        """See `engines.engine.Watcher`."""

    def write(self, event: Event) -> None:
        """Add a line."""
        write_event(self.path, event)


def write_event(path: Path, event: Event) -> None:
    """Add a line to a journal. It begins with a newline: a dead process may have left half a line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(vars(event))}\n")


def read_events(path: Path, start: int) -> tuple[list[Event], int]:
    """The events behind byte `start` of a journal, and the byte behind the last whole line."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return [], start
    whole = content[: content.rfind(b"\n") + 1]
    return [*parsed(whole.decode("utf-8", "replace"))], start + len(whole)


def parsed(text: str) -> Iterator[Event]:
    """The events of lines; a half line of a dead process is none."""
    for line in filter(None, text.splitlines()):
        try:
            yield Event(**json.loads(line))
        except (ValueError, TypeError):
            continue


@dataclass(frozen=True)
class Bundle:
    """What an array task runs, in this order: some cells with all unfinished jobs that they need."""

    jobs: tuple[Job, ...]
    journal: Path
    workers: int
    retries: int
    cell_timeout: float | None
    silence: Mapping[str, float]  # job id -> seconds that it may take without a heartbeat

    def __call__(self) -> None:
        """Run the jobs that are still to do. Called by submitit, again after SLURM has requeued the task."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # scancel: workers end and leases are removed
        queue = self.queue()
        limits = Limits(self.retries, self.cell_timeout, silence=lambda job: self.silence.get(job.id, SILENCE))
        try:
            with registered(self.jobs[0].root):  # `bench clean` waits for this task, not for the command alone
                Local().execute(queue, self.workers, Journal(self.journal, queue), limits)
        except UserError as error:
            write_event(self.journal, Event("", "stop", str(error)))
            raise

    def queue(self) -> Queue:
        """The jobs with their states. What they need and is not among them was done when the task was submitted."""
        states = {job.id: current_state(job) for job in self.jobs}
        causes = {job.id: failure(job.folder) for job in self.jobs if states[job.id] is State.FAILED}
        tried = {State.RUNNING: State.STALE}  # another task may hold it: then its worker finds the lease
        before = {need: State.DONE for job in self.jobs for need in job.needs}
        return Queue(
            {job.id: job for job in self.jobs},
            before | {key: tried.get(own, own) for key, own in states.items()},
            causes,
        )

    def checkpoint(self) -> Any:
        """What submitit submits again when SLURM's time limit or a preemption ends the task: finished jobs stay."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
