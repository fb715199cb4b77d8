"""Counts of a grid's cells by state, which follow the changes of a queue: no report on progress looks at every job."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from bench.execution.queue import SETTLED, WAITING, Queue
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.store.files import read_json
from bench.store.folders import State
from bench.store.layout import DONE


@dataclass(frozen=True)
class MethodCounts:
    """The cells of one task and method: how many are in which state, and the mean accuracy of the finished ones."""

    task: str
    label: str
    counts: Counter[str]  # done (by this run), done before (it), running, failed, blocked, waiting
    accuracy: float | None

    @property
    def cells(self) -> int:
        """The number of cells."""
        return self.counts.total()

    @property
    def finished(self) -> int:
        """The number of cells with a result."""
        return self.counts["done"] + self.counts["done before"]


@dataclass
class Group:
    """The cells of one row as they are counted. `unread`: finished ones whose accuracy is not yet in the sum."""

    counts: Counter[str] = field(default_factory=Counter)
    accuracies: float = 0.0
    unread: list[Path] = field(default_factory=list)


class Counts:
    """The states of a plan's cells, and how many jobs are settled. `cached`: cells that were done before the run."""

    def __init__(self, plan: Plan, queue: Queue, cached: set[str]) -> None:
        self.queue, self.cells, self.cached = queue, plan.cells, cached
        self.groups: dict[tuple[str, str], Group] = {}
        self.settled = self.trainings_left = self.others_left = 0  # cells; trainings; jobs that are no cells
        for identity in queue.jobs:
            self.add(identity, queue.states[identity], 1)
        for identity in plan.cells:  # in the order of the plan; the jobs of the queue have another one
            group, state = self.group(identity), queue.states[identity]
            group.counts[self.word(identity, state)] += 1
            if state is State.DONE:
                group.unread.append(queue.jobs[identity].folder)
        queue.changed.append(self.change)

    def group(self, identity: str) -> Group:
        """The group of a cell."""
        job = self.queue.jobs[identity]
        assert isinstance(job, CellJob), "cells are made by cell jobs"
        return self.groups.setdefault((job.place, self.cells[identity]), Group())

    def word(self, identity: str, state: State) -> str:
        """A state as tables name it."""
        return "done before" if identity in self.cached else "waiting" if state in WAITING else str(state)

    def add(self, identity: str, state: State, count: int) -> None:
        """Count a job in this state `count` times more."""
        settled = state in SETTLED
        self.settled += count * (settled and identity in self.cells)
        self.others_left += count * (not settled and identity not in self.cells)
        self.trainings_left += count * (not settled and isinstance(self.queue.jobs[identity], CellJob))

    def change(self, identity: str, before: State) -> None:
        """Follow a change in the queue."""
        after = self.queue.states[identity]
        self.add(identity, before, -1)
        self.add(identity, after, 1)
        if identity in self.cells:
            group = self.group(identity)
            group.counts[self.word(identity, before)] -= 1
            group.counts[self.word(identity, after)] += 1
            if after is State.DONE:
                group.unread.append(self.queue.jobs[identity].folder)

    def rows(self) -> list[MethodCounts]:
        """A row per task and method in the order of the plan."""
        return [self.row(*key) for key in self.groups]

    def row(self, task: str, label: str) -> MethodCounts:
        """The row of one task and method."""
        group = self.groups[task, label]
        new, group.unread = group.unread, []  # at once: a live table asks from a thread of its own
        group.accuracies += sum(map(accuracy, new))
        row = MethodCounts(task, label, +group.counts, None)
        return replace(row, accuracy=group.accuracies / row.finished) if row.finished else row


@cache
def accuracy(folder: Path) -> float:
    """Test accuracy of a finished cell."""
    return float(read_json(folder / DONE)["accuracy"])
