"""The leaderboard of the seeds that are whole, written while the others train, and a short ranking of its methods.

A seed is whole when each of its cells is settled. A process of its own writes the report, so that no worker waits for
it; figures follow with the last report. After each one there is a pause, so that a grid of thousands of seeds spends
little of its time on them: then several seeds become whole before the next.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from bench import leaderboard
from bench.execution.counts import accuracy
from bench.execution.queue import SETTLED, Queue
from bench.jobs import CellJob
from bench.planning.order import seed_numbers
from bench.planning.plan import Plan
from bench.processes import CONTEXT, without_main
from bench.store.folders import State
from bench.store.manifest import first_seeds
from bench.system import ignoring_interrupts
from tasks.errors import plural

BEST = 5  # methods that a ranking names, and the baseline
SECTIONS = 3  # sections whose ranking is printed
PAUSE = 3  # times as long as the last report took: at least so much time passes before the next one


class EarlyReports:
    """Follows a queue, and writes a leaderboard when a further seed is whole. The last report is not its."""

    def __init__(
        self,
        plan: Plan,
        queue: Queue,
        manifest: dict[str, Any],
        reports: Path,
        rules: leaderboard.Rules,
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.queue, self.manifest = plan, queue, manifest
        self.reports, self.rules, self.say = reports, rules, say
        self.seed_of = seed_numbers(plan)
        self.seeds = 1 + max(self.seed_of.values(), default=-1)
        self.left = Counter(
            number for identity, number in self.seed_of.items() if queue.states[identity] not in SETTLED
        )
        self.written = self.whole  # whole seeds of the report that was last begun; those of an earlier run are reported
        self.process: BaseProcess | None = None
        self.began = self.next_at = 0.0  # seconds of the monotonic clock
        queue.changed.append(self.change)

    @property
    def whole(self) -> int:
        """How many seeds are whole, counted from the first one."""
        return next((number for number in range(self.seeds) if self.left[number]), self.seeds)

    def change(self, identity: str, before: State) -> None:
        """Follow a change in the queue."""
        if identity in self.seed_of:
            settled = (self.queue.states[identity] in SETTLED) - (before in SETTLED)
            self.left[self.seed_of[identity]] -= settled

    def pulse(self) -> None:
        """Begin the report of the whole seeds if there is a further one, and say when it is written."""
        if self.process is not None and not self.process.is_alive():
            self.finish()
        due = self.process is None and time.monotonic() >= self.next_at
        if due and self.written < self.whole < self.seeds and not self.queue.closed:
            self.written, self.began = self.whole, time.monotonic()
            arguments = (first_seeds(self.manifest, self.written), self.plan.root, self.reports, self.rules)
            with without_main(), ignoring_interrupts():
                self.process = CONTEXT.Process(target=write, args=arguments)  # a daemon could have no pool
                self.process.start()

    def finish(self) -> None:
        """Wait for the report that is being written, if there is one, and print its ranking.

        Nothing is printed once all seeds are whole: the last report, which follows at once, has all of them.
        """
        if self.process is None:
            return
        self.process.join()
        written, self.process = self.process.exitcode == 0, None
        now = time.monotonic()
        self.next_at = now + PAUSE * (now - self.began)
        if self.whole == self.seeds:
            return
        for line in self.rankings() if written else ():
            self.say(line)
        name = self.reports / "leaderboard.md"
        self.say(f"{self.title}: {name}" if written else f"{self.title}: {name} could not be written; the run goes on")

    def covered(self, stopped: bool) -> tuple[dict[str, Any], str]:
        """The manifest of the last report, and what the report is called.

        A run that was `stopped`, or closed by Ctrl-C, reports its whole seeds, in which every method has each seed.
        """
        if (stopped or self.queue.closed) and 0 < self.whole < self.seeds:
            self.written = self.whole
            return first_seeds(self.manifest, self.whole), f"leaderboard of {self.title}"
        return self.manifest, "leaderboard"

    @property
    def title(self) -> str:
        """How many seeds the last early report covers."""
        return f"{self.written} of {plural(self.seeds, 'seed')} so far"

    def rankings(self) -> list[str]:
        """A line for each section: its best methods and the baseline by mean accuracy over the whole seeds."""
        accuracies: dict[str, dict[str, list[float]]] = {}
        for identity, label in self.plan.cells.items():
            job = self.queue.jobs[identity]
            assert isinstance(job, CellJob), "cells are made by cell jobs"
            if self.seed_of[identity] < self.written and self.queue.states[identity] is State.DONE:
                accuracies.setdefault(job.place, {}).setdefault(label, []).append(accuracy(job.folder))
        lines = [f"{place}, mean accuracy: {self.ranking(means)}" for place, means in accuracies.items()]
        more = len(lines) - SECTIONS
        return lines if more <= 0 else [*lines[:SECTIONS], f"and {plural(more, 'more section')}"]

    def ranking(self, accuracies: Mapping[str, list[float]]) -> str:
        """Methods, best first: `1 dimp 71.2, 2 imp 70.9, 9 ce 68.0`. Those with a failed cell have no rank."""
        most = max(map(len, accuracies.values()))
        means = {label: sum(values) / most for label, values in accuracies.items() if len(values) == most}
        order = sorted(means, key=lambda label: (-means[label], label))
        shown = [label for place, label in enumerate(order) if place < BEST or label == self.rules.baseline]
        parts = [f"{order.index(label) + 1} {label} {100 * means[label]:.1f}" for label in shown]
        return ", ".join(parts) + (f" (of {plural(len(order), 'method')})" if len(order) > len(shown) else "")


def write(manifest: dict[str, Any], store: Path, reports: Path, rules: leaderboard.Rules) -> None:
    """Write a report, in its own process. Exit code 1 without a traceback: the last report says what is wrong."""
    try:
        leaderboard.write_report(manifest, store, reports, rules, figures=False)
    except Exception:
        raise SystemExit(1) from None
