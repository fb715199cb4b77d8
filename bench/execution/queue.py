"""The order of jobs: a job is ready when what it needs is done, blocked when something it needs failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.jobs import Job
from bench.store.folders import State, failure, state


class Queue:
    """Jobs with their states. The store's states are read once, at the start; engines report what changes."""

    def __init__(self, jobs: Mapping[str, Job], states: Mapping[str, State], causes: Mapping[str, str]) -> None:
        self.jobs = dict(jobs)
        self.states = dict(states)  # job id -> state; RUNNING: by a worker of this run
        self.causes = dict(causes)  # job id -> why it failed or is blocked
        self.away: set[str] = set()  # jobs that another run is building
        self.closed = False  # nothing more is begun
        for identity, found in list(self.states.items()):
            if found is State.FAILED:
                self._block(identity)

    @property
    def open(self) -> int:
        """Jobs that are waited for: all that are not settled, or, once the queue is closed, those that run here."""
        if self.closed:
            return sum(found is State.RUNNING and i not in self.away for i, found in self.states.items())
        return sum(found in (State.MISSING, State.STALE, State.RUNNING) for found in self.states.values())

    def close(self) -> None:
        """Begin nothing more; what runs is finished."""
        self.closed = True

    def take(self) -> Job | None:
        """A ready job, those first that most others wait for; None if there is none now."""
        if self.closed:
            return None
        for identity, job in self.jobs.items():
            waiting = self.states[identity] in (State.MISSING, State.STALE) and identity not in self.away
            if waiting and all(self.states[need] is State.DONE for need in job.needs):
                self.states[identity] = State.RUNNING
                return job
        return None

    def done(self, job: Job) -> None:
        """Record a finished job."""
        self.states[job.id] = State.DONE

    def failed(self, job: Job, cause: str) -> None:
        """Record a failure and block what needs it."""
        self.states[job.id] = State.FAILED
        self.causes[job.id] = cause
        self._block(job.id)

    def elsewhere(self, job: Job) -> None:
        """Another run holds the job's lease: wait for it."""
        self.away.add(job.id)

    def revisit(self) -> Iterable[Job]:
        """Jobs that another run has finished meanwhile; one whose lease died is free again."""
        finished = []
        for identity in list(self.away):
            job = self.jobs[identity]
            found = state(job.folder)
            if found is State.RUNNING or (job.other_folder is not None and state(job.other_folder) is State.RUNNING):
                continue
            self.away.discard(identity)
            if found is State.DONE:
                self.states[identity] = State.DONE
                finished.append(self.jobs[identity])
            elif found is State.FAILED:
                self.failed(self.jobs[identity], failure(self.jobs[identity].folder))
            else:
                self.states[identity] = State.STALE
        return finished

    def _block(self, identity: str) -> None:
        for other, job in self.jobs.items():
            if identity in job.needs and self.states[other] not in (State.DONE, State.FAILED, State.BLOCKED):
                self.states[other] = State.BLOCKED
                self.causes[other] = f"needs {self.jobs[identity].title}, which failed"
                self._block(other)
