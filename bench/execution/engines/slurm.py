"""The SLURM engine: job arrays, each of whose tasks runs a bundle of cells on the nodes that SLURM gives it.

The command that submits also watches. It may be closed: the array goes on. Repeated, the command watches the arrays
that still run or wait, and submits the rest. An array task that ended early is submitted again without its finished
cells.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from bench import system
from bench.errors import UserError
from bench.execution.causes import in_turn
from bench.execution.engines import slurm_array
from bench.execution.engines.engine import POLL, Engine, Watcher, give_back, setting, try_again
from bench.execution.engines.slurm_array import ALIVE, ENDED, Array, Task
from bench.execution.engines.slurm_task import Bundle, Event, read_events
from bench.execution.limits import Limits
from bench.execution.prepare import current_state
from bench.execution.progress import FailFast
from bench.execution.queue import SETTLED, Queue
from bench.execution.signals import Stopped, ending_signals
from bench.jobs import Job, Outcome
from bench.processes import cores
from bench.store.files import read_json
from bench.store.folders import State, state
from bench.store.layout import DONE
from tasks.errors import plural

AT_ONCE = 16  # array tasks at a time, where --workers does not say
LOOK = 5.0  # seconds between two looks at the states of arrays
LARGEST = 1000  # tasks of an array: SLURM's MaxArraySize is 1001 unless the site changed it
WARNING = 90  # seconds before the time limit at which a task is told to end


@dataclass(frozen=True)
class Slurm(Engine):
    """Job arrays of SLURM, or processes of submitit on this machine (cluster=local); needs the extra `slurm`."""

    here: ClassVar[bool] = False
    remote: ClassVar[bool] = False  # array tasks take jobs for themselves, in a folder

    cluster: Literal["slurm", "local"] = setting("slurm", "slurm, or local for processes of this machine")
    bundle: int | None = setting(None, "cells of an array task (None: so many that --workers tasks hold them all)")
    cpus: int = setting(1, "CPUs of an array task, each of which trains a cell")
    time: int = setting(60, "time limit of an array task, in minutes")
    partition: str | None = setting(None, "partition")
    account: str | None = setting(None, "account")
    qos: str | None = setting(None, "quality of service")
    gres: str | None = setting(None, "generic resources of an array task, such as gpu:1")
    constraint: str | None = setting(None, "features that nodes must have")
    mem_gb: float | None = setting(None, "memory of an array task, in GB")
    setup: str | None = setting(None, "a shell line before each array task, such as module load cuda")

    def __post_init__(self) -> None:
        for name in ("bundle", "cpus", "time", "mem_gb"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")

    def require(self) -> None:
        if why := system.UNUSABLE.get("slurm"):
            raise UserError(f"engine slurm: {why}; --engine local trains on this machine")
        if importlib.util.find_spec("submitit") is None:
            raise UserError("engine slurm needs the package submitit: pip install 'data-weighting-bench[slurm]'")
        missing = [name for name in ("sbatch", "squeue", "scancel", "srun") if shutil.which(name) is None]
        if self.cluster == "slurm" and missing:
            raise UserError(
                f"engine slurm: this machine has no {', '.join(missing)}; run it on a login node of the cluster, or "
                "with --engine-set cluster=local"
            )

    def count(self, requested: int | None) -> int:
        """Array tasks at a time, each with `cpus` cells."""
        return requested or (max(1, cores() // self.cpus) if self.cluster == "local" else AT_ONCE)

    def parameters(self, workers: int) -> dict[str, Any]:
        """The parameters of submitit."""
        known: dict[str, Any] = {"timeout_min": self.time, "cpus_per_task": self.cpus}
        if self.mem_gb is not None:
            known["mem_gb"] = self.mem_gb
        if self.cluster == "local":
            return known
        own = ("partition", "account", "qos", "gres", "constraint")
        given = {f"slurm_{name}": getattr(self, name) for name in own if getattr(self, name) is not None}
        setup = {"slurm_setup": [self.setup]} if self.setup else {}
        warning = min(WARNING, 15 * self.time)  # of a limit of one minute, a quarter
        return {**known, **given, **setup, "slurm_array_parallelism": workers, "slurm_signal_delay_s": warning}

    def execute(self, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        """Run every job of the queue whose needs can be met.

        Ctrl-C, SIGTERM and SIGHUP end this process alone. --fail-fast and an error of the store end the arrays too, and
        so does Ctrl-C with cluster=local.
        """
        watch = Watch(self, queue, workers, watcher, limits)
        watch.attach()
        try:
            with ending_signals() as check:
                watch.submit(watch.uncovered())
                watch.follow(check)
        except (FailFast, UserError):
            watch.cancel()
            raise
        except Stopped:
            watcher.note([watch.farewell()])
            raise
        except KeyboardInterrupt:
            queue.close()
            if self.cluster == "local":
                watch.cancel()
            else:
                watcher.note([watch.farewell()])
            return
        watch.clear()


class Watch:
    """Follows the arrays of a run."""

    def __init__(self, engine: Slurm, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        self.engine, self.queue, self.workers, self.watcher, self.limits = engine, queue, workers, watcher, limits
        self.root = next(iter(queue.jobs.values())).root if queue.jobs else Path()
        self.arrays, self.tasks = list[Array](), list[Task]()  # arrays that it owns, and all tasks that it follows
        self.deaths: defaultdict[str, list[str]] = defaultdict(list)  # job id -> how the tasks ended that ran it
        self.looked = 0.0

    def attach(self) -> None:
        """Follow the tasks of an earlier command that still run or wait, and forget the arrays that have ended.

        Tasks without an open job of this run are left alone. An array with cells of other runs is not owned, so that
        this command neither ends it nor removes its record. Raises UserError where SLURM does not say which arrays run:
        the same cells would be submitted twice.
        """
        for array in slurm_array.recorded(self.root):
            states = array.states()
            if states is None:
                raise UserError(
                    f"squeue does not answer, and {array.folder} names an array that may still run; try again, or "
                    "remove that folder if no job of the array is left"
                )
            alive = [index for index, word in states.items() if word in ALIVE]
            if not alive:
                if array.adopt(self.root):  # else another command watches it
                    shutil.rmtree(array.folder, ignore_errors=True)
                continue
            if self.queue.states.keys() >= {*array.ends} and array.adopt(self.root):
                self.arrays.append(array)
            jobs = {index: self.open_jobs(array.tasks[index]) for index in alive}
            own = [Task(array, index, jobs[index], earlier=True) for index in alive if jobs[index]]
            self.tasks += own
            if own:
                count = plural(len(own), "array task")
                self.watcher.note([f"{count} of an earlier command still run or wait ({array.name})"])

    def open_jobs(self, identities: Iterable[str]) -> list[str]:
        """The jobs of this run among some that have no result yet."""
        return [one for one in identities if self.queue.states.get(one, State.DONE) not in SETTLED]

    def uncovered(self) -> list[Job]:
        """The cells, and other jobs that nothing waits for, of which no array task takes care."""
        covered = {identity for task in self.tasks for identity in task.jobs}
        return [job for job in self.queue.ends() if job.id not in covered]

    def submit(self, ends: Sequence[Job]) -> None:
        """Submit some cells with all unfinished jobs that they need, as one array or as several large ones."""
        if not ends:
            return
        size = self.size(len(ends))
        bundles = [self.queue.closure(ends[start : start + size]) for start in range(0, len(ends), size)]
        silence = {job.id: self.limits.silence(job) for jobs in bundles for job in jobs}

        def task(jobs: tuple[Job, ...], journal: Path) -> Bundle:
            own = {job.id: silence[job.id] for job in jobs}
            return Bundle(jobs, journal, self.engine.cpus, self.limits.retries, self.limits.cell_timeout, own)

        parameters = self.engine.parameters(self.workers)
        # Ctrl-C would reach processes of this machine too, which print tracebacks; `execute` ends them.
        apart = system.ignoring_interrupts if self.engine.cluster == "local" else contextlib.nullcontext
        for start in range(0, len(bundles), LARGEST):
            part = bundles[start : start + LARGEST]
            with apart():
                array = slurm_array.submit(self.root, part, self.engine.cluster, parameters, task)
                self.arrays.append(array)
            self.tasks += (Task(array, index, [job.id for job in jobs]) for index, jobs in enumerate(part))
            self.watcher.note([f"submitted {plural(len(part), 'array task')} ({array.name}); logs: {array.folder}"])

    def size(self, count: int) -> int:
        """The cells of each array task, of `count` that are submitted. Raised on this machine, which has no queue."""
        local = self.engine.cluster == "local"
        least = math.ceil(count / max(1, self.workers - (len(self.tasks) if local else 0)))
        size = self.engine.bundle or least
        if local and size < least:
            self.watcher.note([f"bundle={size} is raised to {least}: with cluster=local all array tasks run at once"])
        return max(size, least) if local else size

    def follow(self, check: Callable[[], None]) -> None:
        """Read journals and states until no job is open."""
        while self.queue.open:
            check()
            for task in self.tasks:
                self.read(task)
            if time.monotonic() - self.looked > LOOK:
                self.looked = time.monotonic()
                self.look()
            for job, ended in self.queue.revisit():
                self.watcher.tell(job, ended, None)
            self.watcher.pulse()
            time.sleep(POLL)

    def read(self, task: Task) -> None:
        """Take in what a task has written since the last time."""
        events, task.read = read_events(task.array.journal(task.index), task.read)
        for event in events:
            if event.state == "stop":
                raise UserError(f"array task {task.index} of {task.array.name}: {event.cause}")
            job = self.queue.jobs.get(event.job)
            if event.state == "running":
                task.begun.append(event.job)
            elif event.state != "retry":
                task.begun = [one for one in task.begun if one != event.job]
            if job is not None and self.queue.states[job.id] not in SETTLED:
                self.take_in(job, event, task)

    def take_in(self, job: Job, event: Event, task: Task) -> None:
        """Note what an event says of an open job. Where the store does not bear it out, the job stays open: its result
        was removed, or cannot be seen yet. What became of it is looked at when the task ends."""
        if event.state == "retry":
            self.watcher.retry(job, event.cause)
        elif event.state == "running":
            if self.queue.states[job.id] is not State.RUNNING:
                self.queue.change(job.id, State.RUNNING)
        elif event.state == str(State.DONE):
            if current_state(job) is not State.DONE:
                return
            outcome = Outcome(job.id, State.DONE, read_json(job.folder / DONE), seconds=event.seconds)
            self.queue.done(job)
            self.watcher.tell(job, State.DONE, outcome)
        elif event.state == str(State.FAILED):
            if task.earlier and state(job.folder) is not State.FAILED:
                return
            self.queue.failed(job, event.cause)
            outcome = Outcome(job.id, State.FAILED, cause=event.cause, seconds=event.seconds)
            self.watcher.tell(job, State.FAILED, outcome)

    def look(self) -> None:
        """Look at the states of all arrays; jobs of tasks that ended early are submitted again."""
        running: Counter[str] = Counter()
        ended: list[tuple[Task, str]] = []
        for array in {id(task.array): task.array for task in self.tasks}.values():
            states = array.states()
            if states is None:
                self.watcher.note(["squeue does not answer; this run waits for it"])
                continue
            running.update(word.lower() for word in states.values() if word in ALIVE)
            own = [task for task in self.tasks if task.array is array]
            ended += ((task, states[task.index]) for task in own if states[task.index] not in ALIVE)
        self.watcher.running_on({f"array tasks {word}": number for word, number in running.items()})
        again: list[Job] = []
        for task, word in ended:
            self.read(task)  # what it wrote before its end
            self.tasks.remove(task)
            again += self.after(task, word)
        covered = {identity for task in self.tasks for identity in task.jobs}
        self.submit([job for identity, job in {job.id: job for job in again}.items() if identity not in covered])

    def after(self, task: Task, word: str) -> list[Job]:
        """Deal with the jobs of a task that ended in a state. Returns the cells to submit again."""
        for identity in self.open_jobs(task.jobs):
            job = self.queue.jobs[identity]
            if current_state(job) is State.DONE:  # its end is not in the journal, if the node died in this moment
                self.queue.done(job)
                self.watcher.tell(job, State.DONE, None)
        left = self.open_jobs(task.jobs)
        ends = {job.id for job in self.queue.ends()}
        began = [identity for identity in left if identity in task.begun]
        for identity in began or [identity for identity in left if identity in ends]:
            self.lost(self.queue.jobs[identity], task, word)
        return [self.queue.jobs[identity] for identity in self.open_jobs(left) if identity in ends]

    def lost(self, job: Job, task: Task, word: str) -> None:
        """Note that the array task of a job ended. After the last attempt, or for lack of memory, it is a failure."""
        give_back(job)
        hints = {
            "OUT_OF_MEMORY": ": memory ran out (--engine-set mem_gb=N gives more)",
            "TIMEOUT": ": its time was over (--engine-set time=MINUTES gives more, bundle=N fewer cells)",
        }
        said = task.array.output(task.index) if word in ("FAILED", ENDED) else ""
        why = f"its array task ended ({word}{hints.get(word, '')})"
        self.deaths[job.id].append(f"{why}: {said[:200]}" if said else why)
        again = word != "OUT_OF_MEMORY" and len(self.deaths[job.id]) <= self.limits.retries
        try_again(self.queue, job, self.watcher, in_turn(self.deaths[job.id]), again=again)

    def cancel(self) -> None:
        """End the arrays that hold cells of this run alone."""
        for array in self.arrays:
            array.cancel()

    def farewell(self) -> str:
        """The line after a signal that ended the command."""
        names = ",".join(array.name for array in self.arrays if array.cluster != "local")
        ends = f", `scancel --name={names}` ends them" if names else ""  # others hold cells of other runs
        return f"array tasks go on; the same command watches them again{ends}"

    def clear(self) -> None:
        """Remove the records of arrays that did all they were submitted for."""
        if all(state is State.DONE for state in self.queue.states.values()):
            for array in self.arrays:
                shutil.rmtree(array.folder, ignore_errors=True)
