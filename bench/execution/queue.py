"""The order of jobs: a job is ready when all that it needs is done, and blocked when something it needs failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bench.jobs import Job
from bench.store.folders import State, failure, state
from bench.store.leases import release


class Queue:
    """Jobs with their states. The store's states are read once, at the start; engines report the changes."""

    def __init__(self, jobs: Mapping[str, Job], states: Mapping[str, State], causes: Mapping[str, str]) -> None:
        self.jobs = dict(jobs)
        self.states = dict(states)  # job id -> state; RUNNING: by a worker of this run, or elsewhere
        self.causes = dict(causes)  # job id -> why it failed or is blocked
        self.elsewhere: set[str] = set()  # ids of jobs that another run is computing
        self.closed = False  # whether no further job is started
        for identity, own in list(self.states.items()):
            if own is State.FAILED:
                self._block(identity)

    @property
    def open(self) -> int:
        """The number of jobs to wait for: all that are not settled; of a closed queue, those that run here."""
        if self.closed:
            return sum(own is State.RUNNING and i not in self.elsewhere for i, own in self.states.items())
        return sum(own in (State.MISSING, State.STALE, State.RUNNING) for own in self.states.values())

    def close(self) -> None:
        """Start no further job; running jobs are finished."""
        self.closed = True

    def take(self) -> Job | None:
        """The next ready job, in the order of the plan; None if no job is ready."""
        if self.closed:
            return None
        for identity, job in self.jobs.items():
            waiting = self.states[identity] in (State.MISSING, State.STALE) and identity not in self.elsewhere
            if waiting and all(self.states[need] is State.DONE for need in job.needs):
                self.states[identity] = State.RUNNING
                return job
        return None

    def done(self, job: Job) -> None:
        """Note a finished job."""
        self.states[job.id] = State.DONE

    def again(self, job: Job) -> None:
        """Note that a job is to be run again, since its worker died."""
        self.states[job.id] = State.STALE

    def failed(self, job: Job, cause: str) -> None:
        """Note a failed job and block the jobs that need it."""
        self.states[job.id] = State.FAILED
        self.causes[job.id] = cause
        self._block(job.id)

    def runs_elsewhere(self, job: Job) -> None:
        """Note that another run holds the job's lease: this run waits for the result."""
        self.elsewhere.add(job.id)

    def revisit(self) -> Iterable[Job]:
        """Jobs that another run has finished since the last call. A job whose lease died becomes ready again."""
        finished = []
        for identity in list(self.elsewhere):
            job = self.jobs[identity]
            now = state(job.folder)
            if now is State.RUNNING or (job.other_folder is not None and state(job.other_folder) is State.RUNNING):
                continue
            self.elsewhere.discard(identity)
            if now is State.DONE:
                self.states[identity] = State.DONE
                finished.append(job)
            elif now is State.FAILED:
                self.failed(job, failure(job.folder))
            else:
                for folder in filter(None, (job.folder, job.other_folder)):
                    release(job.root, folder)  # a worker has not watched it as long as this process
                self.states[identity] = State.STALE
        return finished

    def _block(self, identity: str) -> None:
        for other, job in self.jobs.items():
            if identity in job.needs and self.states[other] not in (State.DONE, State.FAILED, State.BLOCKED):
                self.states[other] = State.BLOCKED
                self.causes[other] = f"needs {self.jobs[identity].title}, which failed"
                self._block(other)
