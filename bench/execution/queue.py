"""The order of jobs: a job is ready when all that it needs is done, and blocked when something it needs failed.

Each change of a state costs the same whatever the number of jobs: the ready jobs are a heap, and states are counted as
they change.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from bench.jobs import Job, Outcome, outputs
from bench.store.files import read_json
from bench.store.folders import State, adopt, failure, has_one_of, state
from bench.store.layout import DONE, TIMING
from bench.store.leases import release

WAITING = (State.MISSING, State.STALE)
SETTLED = (State.DONE, State.FAILED, State.BLOCKED)
Change = Callable[[str, State], None]  # called with a job's id and its state before; the new one is in `states`


class Others(Protocol):
    """The runs that use the store too. `folder` and `other` are the two folders in which a job's result may be."""

    @property
    def unsent(self) -> Mapping[str, str]:
        """Results of this run that the others cannot see: name -> why."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user is to know of the store, so far."""

    def take(self, folder: Path, other: Path | None, replaces: Collection[str] = ()) -> bool:
        """Whether this run may start a job, as far as is known before its worker takes the lease of the folder.

        `replaces`: see `Job`.
        """

    def last_state(self, folder: Path, other: Path | None) -> State:
        """The state of a job that another run is computing."""

    def ended(self, folders: Sequence[Path]) -> None:
        """Called when a job of this run is done or failed, with the folders that it wrote, its own first."""

    def send_rest(self) -> None:
        """Called when the store is ready for the jobs, and after the last one: what others lack is sent."""


class SameFolder:
    """The runs that work in the same folder. Its leases say all of them."""

    unsent: Mapping[str, str] = MappingProxyType({})
    notes: Sequence[str] = ()

    def take(self, folder: Path, other: Path | None, replaces: Collection[str] = ()) -> bool:
        """See `Others`."""
        return True

    def last_state(self, folder: Path, other: Path | None) -> State:
        """See `Others`."""
        return State.RUNNING if other is not None and state(other) is State.RUNNING else state(folder)

    def ended(self, folders: Sequence[Path]) -> None:
        """See `Others`."""

    def send_rest(self) -> None:
        """See `Others`."""


class Queue:
    """Jobs with their states. The store's states are read once, at the start; engines report the changes.

    A job that is done and that others need may have a state alone. Of the ready jobs the one with the lowest rank is
    taken. Those without a rank follow each other as in `jobs`.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        states: Mapping[str, State],
        causes: Mapping[str, str],
        ranks: Mapping[str, tuple[float, ...]] | None = None,
        others: Others | None = None,
    ) -> None:
        self.jobs = dict(jobs)
        self.others = others or SameFolder()
        self.states = dict(states)  # job id -> state; RUNNING: by a worker of this run, or elsewhere
        self.causes = dict(causes)  # job id -> why it failed or is blocked
        self.elsewhere: set[str] = set()  # ids of jobs that another run is computing
        self.closed = False  # whether no further job is started
        self.changed: list[Change] = []  # functions to call after a change of a state
        self._counts = Counter(self.states.values())
        self._ranks = {identity: ((ranks or {}).get(identity, ()), place) for place, identity in enumerate(self.jobs)}
        self._needed_by: dict[str, list[str]] = {identity: [] for identity in self.states}
        self._missing: dict[str, int] = {}  # job id -> how many of its needs are not done
        for identity, job in self.jobs.items():
            needs = () if self.states[identity] is State.DONE else job.needs  # which need not be among the jobs
            for need in needs:
                self._needed_by[need].append(identity)
            self._missing[identity] = sum(self.states[need] is not State.DONE for need in needs)
        ready = (identity for identity in self.jobs if self._ready(identity))
        self._heap = [(self._ranks[identity], identity) for identity in ready]
        heapq.heapify(self._heap)
        for identity in [identity for identity, own in self.states.items() if own is State.FAILED]:
            self._block(identity)

    @property
    def open(self) -> int:
        """The number of jobs to wait for: all that are not settled; of a closed queue, those that run here."""
        if self.closed:
            return self.running
        return sum(count for own, count in self._counts.items() if own not in SETTLED)

    @property
    def running(self) -> int:
        """The number of jobs that run here."""
        return self._counts[State.RUNNING] - len(self.elsewhere)

    def close(self) -> None:
        """Start no further job; running jobs are finished."""
        self.closed = True

    def take(self) -> Job | None:
        """The next ready job; None if no job is ready."""
        while self._heap and not self.closed:
            _, identity = heapq.heappop(self._heap)
            if self._ready(identity):
                job = self.jobs[identity]
                self.change(identity, State.RUNNING)
                if self.others.take(job.folder, job.other_folder, job.replaces):
                    return job
                self.runs_elsewhere(job)
        return None

    def ends(self) -> list[Job]:
        """The unsettled jobs that no unsettled job needs, such as cells, in the order in which they are taken."""
        states = self.states
        left = [identity for identity, state in states.items() if state not in SETTLED]
        ends = [one for one in left if all(states[other] in SETTLED for other in self._needed_by[one])]
        return [self.jobs[identity] for identity in sorted(ends, key=self._ranks.__getitem__)]

    def closure(self, jobs: Iterable[Job]) -> list[Job]:
        """Some unsettled jobs with all unsettled jobs that they need, each behind those."""
        found: dict[str, Job] = {}

        def add(job: Job) -> None:
            for need in job.needs:
                if need not in found and self.states.get(need, State.DONE) not in SETTLED:
                    add(self.jobs[need])
            found[job.id] = job

        for job in jobs:
            add(job)
        return list(found.values())

    def change(self, identity: str, new: State) -> None:
        """Change a job's state, count it, and call whoever follows the changes."""
        before, self.states[identity] = self.states[identity], new
        self._counts[before] -= 1
        self._counts[new] += 1
        for call in self.changed:
            call(identity, before)

    def done(self, job: Job) -> None:
        """Note a finished job."""
        self.change(job.id, State.DONE)
        self.others.ended(outputs(job))
        for other in self._needed_by[job.id]:
            self._missing[other] -= 1
            self._offer(other)

    def again(self, job: Job) -> None:
        """Note that a job is to be run again, since its worker died."""
        self.change(job.id, State.STALE)
        self._offer(job.id)

    def failed(self, job: Job, cause: str) -> None:
        """Note a failed job and block the jobs that need it."""
        self.causes[job.id] = cause
        self.change(job.id, State.FAILED)
        self.others.ended(outputs(job))
        self._block(job.id)

    def runs_elsewhere(self, job: Job) -> None:
        """Note that another run holds the job's lease: this run waits for the result."""
        self.elsewhere.add(job.id)

    def written(self) -> list[Job]:
        """The jobs that this run counts as running, and whose result or error is in the store."""
        running = (one for one, own in self.states.items() if own is State.RUNNING and one not in self.elsewhere)
        jobs = [self.jobs[identity] for identity in running]
        ended = (State.DONE, State.FAILED)
        return [job for job in jobs if not has_one_of(job.folder, job.replaces) and state(job.folder) in ended]

    def revisit(self) -> list[tuple[Job, State]]:
        """Jobs that ended in another run since the last call, done or failed. One whose lease died is ready again."""
        ended: list[tuple[Job, State]] = []
        for identity in list(self.elsewhere):
            job = self.jobs[identity]
            now = self.others.last_state(job.folder, job.other_folder)
            if now is State.RUNNING:
                continue
            self.elsewhere.discard(identity)
            if now is State.DONE:
                self.done(job)
                ended.append((job, now))
            elif now is State.FAILED:
                self.failed(job, failure(job.folder))
                ended.append((job, now))
            else:
                for folder in filter(None, (job.folder, job.other_folder)):
                    release(job.root, folder)  # a worker has not watched it as long as this process
                self.again(job)
        return ended

    def _ready(self, identity: str) -> bool:
        return self.states[identity] in WAITING and not self._missing[identity]

    def _offer(self, identity: str) -> None:
        """Put a job on the heap if it is ready."""
        if self._ready(identity):
            heapq.heappush(self._heap, (self._ranks[identity], identity))

    def _block(self, identity: str) -> None:
        """Block all jobs that need a failed or blocked one, directly or not."""
        waiting = [identity]
        while waiting:
            need = waiting.pop()
            for other in self._needed_by[need]:
                if self.states[other] not in SETTLED:
                    self.causes[other] = f"needs {self.jobs[need].title}, which failed"
                    self.change(other, State.BLOCKED)
                    waiting.append(other)


def outcome_written(job: Job) -> Outcome:
    """The outcome of a job of this run, from its folder: it is done or failed."""
    timing = job.folder / TIMING
    seconds = float(read_json(timing).get("seconds", 0.0)) if timing.exists() else 0.0
    return replace(outcome_elsewhere(job), seconds=seconds)


def outcome_elsewhere(job: Job) -> Outcome:
    """The outcome of a job whose lease this process did not get."""
    existing = state_elsewhere(job)
    if existing is State.DONE:
        return Outcome(job.id, existing, read_json(job.folder / DONE))
    return Outcome(job.id, existing, cause=failure(job.folder) if existing is State.FAILED else "")


def state_elsewhere(job: Job) -> State:
    """The state of a job whose lease this process did not get; a result in the job's other folder is taken over."""
    own = state(job.folder)
    if job.other_folder is None or own in (State.RUNNING, State.DONE, State.FAILED):
        return own
    return State.DONE if adopt(job.other_folder, job.folder, job.root) else State.RUNNING
