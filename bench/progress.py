"""What a run says: a line per finished cell with counts and time left, failures at once and again at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench import estimate
from bench.jobs import CellJob, Job
from bench.plan import Plan
from bench.queue import Queue
from bench.store import State

if TYPE_CHECKING:
    from bench.worker import Outcome

Say = Callable[[str], None]


class FailFast(Exception):  # noqa: N818 - a decision to stop, not an error of its own
    """Raised at the first failure where that was asked for."""


class Progress:
    """Tells of each job as it ends, and counts."""

    def __init__(self, made: Plan, queue: Queue, workers: int, say: Say, *, fail_fast: bool, command: str) -> None:
        self.made, self.queue, self.say, self.fail_fast, self.command = made, queue, say, fail_fast, command
        self.began = time.monotonic()
        self.cached = {identity for identity in made.cells if queue.states.get(identity) is State.DONE}
        self.trained = 0
        self.noted: set[str] = set()
        todo = len(made.cells) - len(self.cached)
        say(f"{len(made.cells)} cells: {len(self.cached)} done before, {todo} to do on {workers} workers")

    def tell(self, job: Job, found: State, outcome: Outcome | None) -> None:
        """A job ended."""
        if found is State.DONE and isinstance(job, CellJob):
            self.trained += 1
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

    def position(self) -> str:
        """Cells settled of all, and time left at the pace so far."""
        settled = sum(self.queue.states[i] in (State.DONE, State.FAILED, State.BLOCKED) for i in self.made.cells)
        left = sum(
            isinstance(self.queue.jobs[i], CellJob) and found in (State.MISSING, State.STALE, State.RUNNING)
            for i, found in self.queue.states.items()
        )
        pace = (time.monotonic() - self.began) / max(1, self.trained)
        rest = f"{estimate.spell(left * pace)} left" if left else "last"
        return f"[{settled}/{len(self.made.cells)}, {rest}]"

    @staticmethod
    def numbers(outcome: Outcome | None) -> str:
        """Accuracy and time of a cell, where this run trained it."""
        if outcome is None or not outcome.seconds:
            return "  (by another run)"
        return f"  accuracy {outcome.summary['accuracy']:.4f}  {outcome.seconds:.1f} s"

    def counts(self) -> Counter[str]:
        """Cells that were asked for, by state at the end; `cached` were done before."""
        found = Counter(str(self.queue.states[identity]) for identity in self.made.cells)
        found["cached"] = len(self.cached)
        return found

    def failures(self) -> dict[str, str]:
        """Cause by job id: of every job that failed or is blocked, and of every cell that never ran."""
        states = self.queue.states
        bad = [i for i, found in states.items() if found in (State.FAILED, State.BLOCKED)]
        causes = {identity: self.queue.causes.get(identity, "") for identity in bad}
        left = [i for i in self.made.cells if states[i] not in (State.DONE, State.FAILED, State.BLOCKED)]
        return {**causes, **dict.fromkeys(left, "not run")}

    def finish(self, leaderboard: Path) -> None:
        """The last lines: every failure again with its cause, what to do, and where the leaderboard is."""
        failures, counts = self.failures(), self.counts()
        for cause, jobs in grouped(failures).items():
            titles = [self.queue.jobs[identity].title for identity in jobs]
            others = f" and {len(titles) - 3} more" if len(titles) > 3 else ""
            word = {State.BLOCKED: "BLOCKED", State.FAILED: "FAILED"}.get(self.queue.states[jobs[0]], "MISSING")
            self.say(f"{word} {', '.join(titles[:3])}{others}: {cause}")
        if failures:
            kinds = Counter(str(self.queue.states[identity]) for identity in failures)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            self.say(f"not all is there: {told}; to try again: {self.again()}")
        self.say(
            f"{counts['done']}/{len(self.made.cells)} cells done ({counts['cached']} from before) in "
            f"{time.monotonic() - self.began:.0f} s; leaderboard: {leaderboard}"
        )

    def again(self) -> str:
        """The command that tries what failed again."""
        if not self.command.startswith("python"):
            return "the same call with retry_failed=True"
        plain = self.command.replace(" --force", "").replace(" --retry-failed", "")
        return f"{plain} --retry-failed"


def grouped(failures: dict[str, str]) -> dict[str, list[str]]:
    """Job ids by cause: what one broken artefact blocks is one line."""
    found: dict[str, list[str]] = {}
    for identity, cause in failures.items():
        found.setdefault(cause, []).append(identity)
    return found
