"""The progress of a run: counts, time left, and failures, which are shown when they happen and again at the end.

Printed as a line per finished cell; on a terminal `bench.execution.live_table` shows the same as a table instead.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from bench.execution.counts import Counts
from bench.execution.queue import SETTLED, Queue
from bench.jobs import CellJob, DynamicsJob, Job, Outcome
from bench.planning import estimate
from bench.planning.plan import Plan
from bench.store.folders import State, has_one_of
from bench.store.layout import LOG
from tasks.errors import join_names, plural

Say = Callable[[str], None]
Show = Callable[["Progress"], AbstractContextManager[object]]  # entered while cells train: the live table

# The causes of cells that the run ended before, and of those that it did not log.
NOT_TRAINED, NOT_LOGGED = UNFINISHED = ("not trained yet", "not logged yet")
TITLES = 3  # jobs that a line names; further ones are counted


class FailFast(Exception):  # noqa: N818 - a decision to stop, not an error of its own
    """Raised at the first failure under --fail-fast."""


class Progress:
    """Counts the jobs of a run as they end and prints a line for each cell. The watcher that engines call."""

    def __init__(
        self,
        plan: Plan,
        queue: Queue,
        workers: int,
        say: Say,
        *,
        fail_fast: bool,
        command: str,
        retries: bool = False,
        force: bool = False,
    ) -> None:
        """Whether the same command trains failed cells again (`retries`), or all cells (`force`)."""
        self.retries, self.force = retries, force
        self.plan, self.queue, self.say, self.fail_fast, self.command = plan, queue, say, fail_fast, command
        self.began = time.monotonic()
        self.cached = {identity for identity in plan.cells if queue.states.get(identity) is State.DONE}
        self.grid = Counts(plan, queue, self.cached)
        self.on_pulse: list[Callable[[], None]] = []  # called with each pulse
        self.workers, self.trainings, self.spent = workers, 0, 0.0  # trainings of this run, and their seconds
        self.noted: set[str] = set()
        self.own: set[Path] = set()  # folders of the jobs that this run did
        self.nodes: Mapping[str, int] = {}  # jobs that run on each machine, of an engine of several machines
        self.lines = True  # whether each finished cell gets a line; a live table replaces the lines
        self.warned = False
        todo = len(plan.cells) - len(self.cached)
        on = plural(workers, "worker")
        again = f" (--force: {kept:,} again)" if (kept := self.kept()) else ""
        say(f"{plural(len(plan.cells), 'cell')}: {len(self.cached):,} done before, {todo:,} to do on {on}{again}")

    def tell(self, job: Job, state: State, outcome: Outcome | None) -> None:
        """Count a job that ended, and print it if it is a cell or failed. Raises FailFast."""
        here = outcome is not None and outcome.seconds > 0
        if state is State.DONE and here:
            self.own.add(job.folder)
        if state is State.DONE and isinstance(job, CellJob | DynamicsJob) and outcome is not None and here:
            self.trainings += 1
            self.spent += outcome.seconds
        if state is State.DONE:
            if isinstance(job, CellJob) and self.lines:
                self.say(f"{self.position()} done   {job.title}{self.numbers(outcome)}")
            self.note(outcome.summary.get("notes", ()) if outcome is not None else ())
        elif state in (State.FAILED, State.STALE):
            self.say(f"{self.position()} FAILED {job.title}: {self.queue.causes.get(job.id, 'its worker died')}")
            if self.fail_fast:
                raise FailFast

    def retry(self, job: Job, cause: str) -> None:
        """Print that a worker died and its job is run again."""
        self.say(f"{self.position()} retry  {job.title}: {cause}")

    def note(self, notes: Iterable[str]) -> None:
        """Print the notes of a job, each text once in a run."""
        for note in notes:
            if note not in self.noted:
                self.noted.add(note)
                self.say(note)

    def running_on(self, nodes: Mapping[str, int]) -> None:
        """Note how many jobs run on each machine; the live table shows it."""
        self.nodes = dict(nodes)

    def pulse(self) -> None:
        """Called twice a second: after the first Ctrl-C, print once that the running jobs are finished."""
        for call in self.on_pulse:
            call()
        if self.queue.closed and not self.warned:
            self.warned = True
            if self.lines:
                self.say(self.closing())

    def closing(self) -> str:
        """The line that explains the first Ctrl-C."""
        return f"finishing {plural(self.queue.running, 'running job')}, then the report; Ctrl-C again stops now"

    def position(self) -> str:
        """Settled cells of all cells, and the time left."""
        left = self.left()
        return f"[{self.grid.settled}/{len(self.plan.cells)}{f', {left}' if left else ''}]"

    def left(self) -> str:
        """Time left at the mean pace so far; before the first training is done their number; empty without any."""
        left = self.grid.trainings_left
        if not left:
            return ""
        if not self.trainings:
            return f"{plural(left, 'training')} left"
        return f"{estimate.spell(left * self.spent / self.trainings / self.workers)} left"

    @staticmethod
    def numbers(outcome: Outcome | None) -> str:
        """Accuracy and time of a cell that this run trained."""
        if outcome is None or not outcome.seconds:
            return "  (trained by another run)"
        return f"  accuracy {outcome.summary['accuracy']:.4f}  {outcome.seconds:.1f} s"

    def failures(self) -> dict[str, str]:
        """Cause by job id: of jobs that failed or are blocked, of cells that never ran, and of those not logged."""
        states = self.queue.states
        bad = [i for i, state in states.items() if state in (State.FAILED, State.BLOCKED)]
        causes = {identity: self.queue.causes.get(identity, "") for identity in bad}
        cells = [i for i in self.plan.cells if states[i] not in SETTLED]
        waiting = [self.queue.jobs[i] for i in self.plan.mirrors if states.get(i, State.DONE) not in SETTLED]
        mirrors = [job.id for job in waiting if all(states[need] is State.DONE for need in job.needs)]
        return {**causes, **dict.fromkeys(cells, NOT_TRAINED), **dict.fromkeys(mirrors, NOT_LOGGED)}

    def finish(self, last: str) -> None:
        """Print the last lines: failures with their causes, how to try again, and what was done; `last` ends them."""
        failures = self.failures()
        for cause, jobs in grouped(failures).items():
            self.say(self.failure_line(cause, jobs))
        kinds = Counter(
            self.grid.word(i, self.queue.states[i]) if cause not in UNFINISHED else cause
            for i, cause in failures.items()
        )
        if kinds.keys() - {*UNFINISHED}:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            self.say(f"incomplete: {counts}; to try again: {self.again(self.kept())}")
        elif failures:
            counts = ", ".join(f"{plural(kinds[cause], 'cell')} {cause}" for cause in UNFINISHED if kinds[cause])
            stay = f", {kept:,} of which keep their earlier results" if (kept := self.kept()) else ""
            self.say(f"stopped: {counts}{stay}; the same command {self.how(kept)}: {self.again(kept)}")
        self.say(
            f"{self.done}/{plural(len(self.plan.cells), 'cell')} done ({len(self.cached)} before this run), "
            f"{plural(self.trainings, 'training')}, in {time.monotonic() - self.began:.0f} s; "
            f"{last if self.done else 'earlier results stay' if self.kept() else 'no cell has a result yet'}"
        )

    @property
    def done(self) -> int:
        """How many cells have a result, in this run or before it."""
        return sum(self.queue.states[identity] is State.DONE for identity in self.plan.cells)

    def kept(self) -> int:
        """How many cells that --force trains again have the result of before, since nobody has taken them yet."""
        states, jobs = self.queue.states, self.queue.jobs
        left = [jobs[identity] for identity in self.plan.cells if states[identity] not in SETTLED]
        return sum(has_one_of(job.folder, job.replaces) for job in left)

    def failure_line(self, cause: str, jobs: list[str]) -> str:
        """One line for all jobs that failed, are blocked or never ran for the same cause."""
        titles = [self.queue.jobs[identity].title for identity in jobs]
        state = self.queue.states[jobs[0]]
        if cause in UNFINISHED:
            return f"{cause}: {join_names(titles, TITLES)}"
        word = "BLOCKED" if state is State.BLOCKED else "FAILED"
        where = f" (log: {self.queue.jobs[jobs[0]].folder / LOG})" if state is State.FAILED else ""
        return f"{word} {join_names(titles, TITLES)}: {cause}{where}"

    def how(self, kept: int) -> str:
        """What the command of `again` does with the cells of a run that was stopped, `kept` as `kept` counts."""
        if kept:
            return "begins again"
        return "continues if force is left out" if self.force and " --force" not in self.command else "continues"

    def again(self, kept: int) -> str:
        """The command that runs what failed and what never ran. Without `kept` cells it need not force."""
        failed = any(state in (State.FAILED, State.BLOCKED) for state in self.queue.states.values())
        if not self.command.startswith("python"):
            return f"the same call{' with retry_failed=True' if failed else ''}"
        plain = self.command if kept else self.command.replace(" --force", "")
        return f"{plain} --retry-failed" if failed and not self.retries else plain


def grouped(failures: dict[str, str]) -> dict[str, list[str]]:
    """Job ids by cause, so that all jobs that one failure blocks share a line."""
    groups: dict[str, list[str]] = {}
    for identity, cause in failures.items():
        groups.setdefault(cause, []).append(identity)
    return groups
