"""What a run knows of itself and says: counts, time left, failures at once and again at the end.

On a pipe it says a line per finished cell; on a terminal `bench.live` shows the same as a table instead.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.execution.queue import Queue
from bench.execution.work import Work, done, least
from bench.jobs import CellJob, Job, Outcome
from bench.planning import estimate
from bench.planning.plan import Plan
from bench.store.files import read_json
from bench.store.folders import State
from bench.store.layout import DONE

Say = Callable[[str], None]

WAITING = (State.MISSING, State.STALE)
SETTLED = (State.DONE, State.FAILED, State.BLOCKED)


class FailFast(Exception):  # noqa: N818 - a decision to stop, not an error of its own
    """Raised at the first failure where that was asked for."""


@dataclass(frozen=True)
class Row:
    """The cells of one task and method: how many are in which state, and the mean accuracy of those that are done."""

    task: str
    label: str
    counts: Counter[str]  # done (by this run), cached (before it), running, failed, blocked, waiting
    accuracy: float | None

    @property
    def cells(self) -> int:
        """All of them."""
        return self.counts.total()

    @property
    def there(self) -> int:
        """Those that have a result."""
        return self.counts["done"] + self.counts["cached"]


class Progress:
    """Tells of each job as it ends, and counts."""

    def __init__(self, plan: Plan, queue: Queue, workers: int, say: Say, *, fail_fast: bool, command: str) -> None:
        self.plan, self.queue, self.say, self.fail_fast, self.command = plan, queue, say, fail_fast, command
        self.began = time.monotonic()
        self.cached = {identity for identity in plan.cells if queue.states.get(identity) is State.DONE}
        self.workers, self.trained, self.spent = workers, 0, 0.0  # trainings of this run, and their seconds
        self.built: list[Job] = []  # what this run's workers finished
        self.noted: set[str] = set()
        self.lines = True  # a line per finished cell; a live table does without
        self.warned = False
        todo = len(plan.cells) - len(self.cached)
        say(f"{len(plan.cells)} cells: {len(self.cached)} done before, {todo} to do on {workers} workers")

    def tell(self, job: Job, found: State, outcome: Outcome | None) -> None:
        """A job ended."""
        if found is State.DONE and outcome is not None and outcome.seconds > 0:
            self.built.append(job)
        if found is State.DONE and isinstance(job, CellJob):
            self.trained += outcome is not None and outcome.seconds > 0
            self.spent += outcome.seconds if outcome is not None else 0.0
            if self.lines:
                self.say(f"{self.position()} done   {job.title}{self.numbers(outcome)}")
        elif found is State.DONE and outcome is not None:
            self.note(outcome.summary.get("notes", ()))
        elif found in (State.FAILED, State.STALE):
            self.say(f"{self.position()} FAILED {job.title}: {self.queue.causes.get(job.id, 'its worker died')}")
            if self.fail_fast:
                raise FailFast

    def note(self, notes: Iterable[str]) -> None:
        """What a job wants to be told, each thing once."""
        for note in notes:
            if note not in self.noted:
                self.noted.add(note)
                self.say(note)

    def pulse(self) -> None:
        """Called twice a second: whoever pressed Ctrl-C hears what becomes of it."""
        if self.queue.closed and not self.warned:
            self.warned = True
            if self.lines:
                self.say(self.closing())

    def closing(self) -> str:
        """What happens after the first Ctrl-C."""
        count = self.running()
        return f"finishing what runs ({count} job{'s' * (count != 1)}), then the report; Ctrl-C again stops now"

    def running(self) -> int:
        """Jobs that this run's workers are at."""
        states = self.queue.states.items()
        return sum(found is State.RUNNING and identity not in self.queue.away for identity, found in states)

    def position(self) -> str:
        """Cells settled of all, and time left at the pace so far."""
        settled = sum(self.queue.states[i] in SETTLED for i in self.plan.cells)
        return f"[{settled}/{len(self.plan.cells)}, {self.left()}]"

    def left(self) -> str:
        """Time left if trainings take what they took so far, in words; nobody knows before the first is done."""
        left = sum(
            isinstance(self.queue.jobs[i], CellJob) and found not in SETTLED for i, found in self.queue.states.items()
        )
        if not left:
            return "last"
        if not self.trained:
            return f"{left} trainings left"
        return f"{estimate.spell(left * self.spent / self.trained / self.workers)} left"

    @staticmethod
    def numbers(outcome: Outcome | None) -> str:
        """Accuracy and time of a cell, where this run trained it."""
        if outcome is None or not outcome.seconds:
            return "  (by another run)"
        return f"  accuracy {outcome.summary['accuracy']:.4f}  {outcome.seconds:.1f} s"

    def rows(self) -> list[Row]:
        """The grid as it stands, a row per task and method in the order of the plan."""
        cells: dict[tuple[str, str], list[str]] = {}
        for identity, label in self.plan.cells.items():
            job = self.queue.jobs[identity]
            assert isinstance(job, CellJob), "cells are made by cell jobs"
            cells.setdefault((job.place, label), []).append(identity)
        return [self.row(task, label, members) for (task, label), members in cells.items()]

    def row(self, task: str, label: str, members: list[str]) -> Row:
        """The cells of one task and method."""
        words = [self.word(identity) for identity in members]
        there = [i for i, word in zip(members, words, strict=True) if word in ("done", "cached")]
        mean = sum(accuracy(self.queue.jobs[i].folder) for i in there) / len(there) if there else None
        return Row(task, label, Counter(words), mean)

    def word(self, identity: str) -> str:
        """A cell's state as a table has it."""
        if identity in self.cached:
            return "cached"
        found = self.queue.states[identity]
        return "waiting" if found in WAITING else str(found)

    def counts(self) -> Counter[str]:
        """Cells that were asked for, by state at the end; `cached` were done before."""
        found = Counter(str(self.queue.states[identity]) for identity in self.plan.cells)
        found["cached"] = len(self.cached)
        return found

    def failures(self) -> dict[str, str]:
        """Cause by job id: of every job that failed or is blocked, and of every cell that never ran."""
        states = self.queue.states
        bad = [i for i, found in states.items() if found in (State.FAILED, State.BLOCKED)]
        causes = {identity: self.queue.causes.get(identity, "") for identity in bad}
        left = [i for i in self.plan.cells if states[i] not in SETTLED]
        return {**causes, **dict.fromkeys(left, "not run")}

    def finish(self, last: str) -> None:
        """The last lines: every failure again with its cause, what to do, and where the leaderboard is (`last`)."""
        failures, counts = self.failures(), self.counts()
        for cause, jobs in grouped(failures).items():
            titles = [self.queue.jobs[identity].title for identity in jobs]
            others = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
            found = self.queue.states[jobs[0]]
            word = {State.BLOCKED: "BLOCKED", State.FAILED: "FAILED"}.get(found, "MISSING")
            where = f" (log: {self.queue.jobs[jobs[0]].folder / 'log.txt'})" if found is State.FAILED else ""
            self.say(f"{word} {', '.join(titles[:3])}{others}: {cause}{where}")
        if failures:
            kinds = Counter(self.word(identity) for identity in failures)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            self.say(f"not all is there: {told}; to try again: {self.again()}")
        if self.built:
            self.say(self.work())
        self.say(
            f"{counts['done']}/{len(self.plan.cells)} cells done ({counts['cached']} from before) in "
            f"{time.monotonic() - self.began:.0f} s; {last}"
        )

    def work(self) -> str:
        """What this run computed, against the least that gives its results."""
        spent, needed = sum(map(done, self.built), Work()), least(self.built, self.plan.jobs.values())
        return f"computed: {spent}; {'nothing twice' if spent == needed else f'the least necessary: {needed}'}"

    def again(self) -> str:
        """The command that tries what failed again, and what never ran."""
        failed = any(found in (State.FAILED, State.BLOCKED) for found in self.queue.states.values())
        if not self.command.startswith("python"):
            return f"the same call{' with retry_failed=True' if failed else ''}"
        plain = self.command.replace(" --force", "").replace(" --retry-failed", "")
        return f"{plain} --retry-failed" if failed else plain


@cache
def accuracy(folder: Path) -> float:
    """Test accuracy of a finished cell."""
    return float(read_json(folder / DONE)["accuracy"])


def grouped(failures: dict[str, str]) -> dict[str, list[str]]:
    """Job ids by cause: what one broken artefact blocks is one line."""
    found: dict[str, list[str]] = {}
    for identity, cause in failures.items():
        found.setdefault(cause, []).append(identity)
    return found
