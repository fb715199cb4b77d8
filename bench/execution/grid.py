"""Run a grid: plan it, train what is missing, report on it. The entry point behind `bench run` and `bench.run`."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import leaderboard
from bench.config.request import Request
from bench.config.run_arguments import ExecutionArguments
from bench.errors import UserError
from bench.execution import engines
from bench.execution.progress import FailFast, Progress, Say
from bench.execution.queue import Queue
from bench.jobs import CellJob, Job
from bench.leaderboard.rules import require_baseline
from bench.planning import estimate, mirrors
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.processes import devices
from bench.store import hidden_columns
from bench.store.folders import State, adopt, failure, forget, state
from bench.store.layout import MODEL, MODEL_FILES, Kept
from bench.store.manifest import save

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options(ExecutionArguments):
    """How a grid is run: nothing here changes a result. Most fields are arguments of a run."""

    command: str = ""
    rules: leaderboard.Rules = leaderboard.USUAL
    inputs: Sequence[str] = ()  # W&B artifacts that the rows were made of before


@dataclass
class Result:
    """What a run came to."""

    manifest: dict[str, Any]
    store: Path
    rules: leaderboard.Rules = leaderboard.USUAL
    leaderboard: Path | None = None
    failures: dict[str, str] = field(default_factory=dict)  # job id -> cause, of what failed or was not run
    interrupted: bool = False  # Ctrl-C came before all was done

    @property
    def ok(self) -> bool:
        """Whether every cell that was asked for is there."""
        return not self.failures

    def frame(self) -> pd.DataFrame:
        """The leaderboard as a table, one row per task and method label."""
        return leaderboard.frame(self.manifest, self.store, self.rules)


def run(
    asked: Request | Sequence[Request],
    options: Options,
    say: Say,
    show: Callable[[Progress], AbstractContextManager[object]] = contextlib.nullcontext,
) -> Result:
    """Run a grid, or several as one. Raises UserError before anything trains; a cell that fails is told of and the rest
    goes on.

    `show` is entered while cells train: the live table of a terminal.
    """
    plan = make_plan(asked, options.out)
    if any(one.settings.precision == "fp16" for one in plan.requests) and not devices():
        raise UserError("precision=fp16 needs a GPU; bf16 trains on processors too")
    smoke = any(one.limit is not None for one in plan.requests)
    if options.save_models is not None:
        keep_models(plan, options.save_models)
    mirrors.mirror(plan, options.track, options.artifacts, options.inputs)
    manifest = describe(plan, options.command)
    require_baseline(manifest, options.rules, "this grid")
    result = Result(manifest, plan.root, options.rules)
    engine = engines.current()
    if engine.follows():
        if not options.dry_run:
            engine.follow()
        return result
    if options.dry_run:
        summary(plan, options, say)
        return result
    prepare(plan, options)
    if not smoke:
        save(manifest, plan.root)
    hidden_columns.save(plan.hidden, plan.root)
    queue, count = queued(plan), engine.count(options.workers)
    if todo := missing(queue):
        say(about(todo, plan, count))
    progress = Progress(plan, queue, count, say, fail_fast=options.fail_fast, command=options.command)
    try:
        with show(progress):
            engine.execute(queue, count, progress)
    except FailFast:
        say("stopped at the first failure (--fail-fast)")
    result.failures = progress.failures()
    result.interrupted = queue.closed and not result.ok
    if not smoke:
        result.leaderboard = leaderboard.write_report(
            manifest, plan.root, options.reports, options.rules, figures=options.figures
        )
    progress.finish(f"leaderboard: {result.leaderboard}" if result.leaderboard else "a smoke run has no leaderboard")
    if without := [plan.jobs[identity].title for identity in plan.cells if lacks_model(plan.jobs[identity])]:
        told = f"{', '.join(without[:3])}{', ...' * (len(without) > 3)}"
        say(f"done before and without such a model (--force trains them again): {len(without)} cells, {told}")
    return result


def keep_models(plan: Plan, kept: Kept) -> None:
    """Have the cells that were asked for keep their models."""
    for identity in plan.cells:
        job = plan.jobs[identity]
        assert isinstance(job, CellJob), "cells are made by cell jobs"
        plan.jobs[identity] = replace(job, keep=kept)


def lacks_model(job: Job) -> bool:
    """Whether a cell is done without the model that it should have kept."""
    if not isinstance(job, CellJob) or job.keep is None or state(job.folder) is not State.DONE:
        return False
    return not any((job.folder / MODEL / name).exists() for name in MODEL_FILES[job.keep])


def prepare(plan: Plan, options: Options) -> None:
    """Make the store ready: writable, failures and results that are to be made again forgotten, checkers adopted."""
    for folder in (options.reports, plan.root):
        writable(folder)
    for identity, job in plan.jobs.items():
        failed = state(job.folder) is State.FAILED
        if (options.retry_failed and failed) or (options.force and identity in {*plan.cells, *plan.mirrors}):
            forget(job.folder)
            if job.other_folder is not None and options.force:
                forget(job.other_folder)
        elif job.other_folder is not None and not failed:
            adopt(job.other_folder, job.folder, plan.root)


def writable(folder: Path) -> None:
    """Make a folder. Raises UserError where that or writing into it is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: permission denied")


def queued(plan: Plan) -> Queue:
    """The plan's jobs with the states that the store has; artefacts are looked at only if a cell still needs them."""
    states = {identity: present(job) for identity, job in plan.jobs.items()}
    wanted: set[str] = set()

    def want(identity: str) -> None:
        if identity not in wanted:
            wanted.add(identity)
            if states[identity] is not State.DONE:
                for need in plan.jobs[identity].needs:
                    want(need)

    for identity in (*plan.cells, *plan.mirrors):
        want(identity)
    jobs = {identity: job for identity, job in plan.jobs.items() if identity in wanted}
    causes = {}
    for identity, job in jobs.items():
        if states[identity] is State.FAILED:
            causes[identity] = f"{failure(job.folder)} (in an earlier run)"
    running = {State.RUNNING: State.STALE}  # held by another run: the worker finds out, and waits for it
    return Queue(jobs, {identity: running.get(states[identity], states[identity]) for identity in jobs}, causes)


def present(job: Job) -> State:
    """The state of a job, done where its twin is: a run takes that over."""
    own = state(job.folder)
    there = (
        own in (State.MISSING, State.STALE) and job.other_folder is not None and state(job.other_folder) is State.DONE
    )
    return State.DONE if there else own


def summary(plan: Plan, options: Options, say: Say) -> None:
    """The dry run: what there is, what would be done, and about how long it would take."""
    queue = queued(plan)
    open_jobs = missing(queue)
    asked = Counter(str(present(plan.jobs[identity])) for identity in plan.cells)
    say(f"cells: {len(plan.cells)} ({', '.join(f'{count} {name}' for name, count in sorted(asked.items()))})")
    trainings = sum(isinstance(job, CellJob) for job in open_jobs)
    extra = sum(isinstance(job, CellJob) and job.id not in plan.cells for job in open_jobs)
    artefacts = Counter(job.kind for job in open_jobs if job.kind != "cell")
    built = ", ".join(f"{count} {kind}" for kind, count in sorted(artefacts.items())) or "none"
    say(f"trainings to do: {trainings} (of which checkers that are no cells of the grid: {extra})")
    say(f"artefacts to build: {built}")
    say(about(open_jobs, plan, engines.current().count(options.workers)))


def missing(queue: Queue) -> list[Job]:
    """The jobs that are still to do."""
    return [job for identity, job in queue.jobs.items() if queue.states[identity] in (State.MISSING, State.STALE)]


def about(jobs: Sequence[Job], plan: Plan, count: int) -> str:
    """What jobs of a plan will take."""
    seconds = estimate.spell(estimate.seconds(jobs, plan.jobs.values(), count))
    many = "s" * (count != 1)
    return f"estimate: about {seconds} on {count} worker{many} (from counts; machines differ by a factor of 3)"
