"""Run a grid: plan it, train what is missing, report on it. The entry point behind `bench run` and `bench.run`."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import estimate, leaderboard, records, tracking
from bench.engines.local import default_workers, execute
from bench.errors import UserError
from bench.jobs import CellJob
from bench.manifest import describe, save
from bench.plan import Plan, plan
from bench.progress import FailFast, Progress, Say
from bench.queue import Queue
from bench.request import Request
from bench.store import State, adopt, artefact_path, failure, forget, state

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options:
    """How a grid is run: nothing here changes a result."""

    out: Path = Path("runs")
    reports: Path = Path("reports")
    workers: int | None = None
    dry_run: bool = False
    retry_failed: bool = False
    force: bool = False
    fail_fast: bool = False
    command: str = ""
    rules: leaderboard.Rules = leaderboard.USUAL
    figures: bool = True
    track: str = "none"


@dataclass
class Result:
    """What a run came to."""

    manifest: dict[str, Any]
    store: Path
    leaderboard: Path | None = None
    failures: dict[str, str] = field(default_factory=dict)  # job id -> cause, of what failed or was not run

    @property
    def ok(self) -> bool:
        """Whether every cell that was asked for is there."""
        return not self.failures

    def frame(self) -> pd.DataFrame:
        """The leaderboard as a table, one row per task and method label."""
        return leaderboard.frame(self.manifest, self.store)


def run(asked: Request, options: Options, say: Say) -> Result:
    """Run a grid. Raises UserError before anything trains; a cell that fails is reported and the rest goes on."""
    made = plan(asked, options.out)
    if options.track != "none":
        tracking.mirror(made, options.track)
    manifest = describe(asked, made, options.command)
    result = Result(manifest, made.root)
    if options.dry_run:
        summary(made, options, say)
        return result
    prepare(made, options)
    save(manifest, made.root)
    records.save(made.records, made.root)
    queue, count = queued(made), options.workers or default_workers()
    progress = Progress(made, queue, count, say, fail_fast=options.fail_fast, command=options.command)
    try:
        execute(queue, count, progress.tell)
    except FailFast:
        say("stopped at the first failure (--fail-fast)")
    result.failures = progress.failures()
    result.leaderboard = leaderboard.write_report(
        manifest, made.root, options.reports, options.rules, figures=options.figures
    )
    progress.finish(result.leaderboard)
    return result


def prepare(made: Plan, options: Options) -> None:
    """Make the store ready: writable, failures and results that are to be made again forgotten, checkers adopted."""
    for folder in (options.reports, made.root):
        writable(folder)
    for identity, job in made.jobs.items():
        failed = state(job.folder) is State.FAILED
        if (options.retry_failed and failed) or (options.force and identity in {*made.cells, *made.mirrors}):
            forget(job.folder)
        elif identity in made.cells and isinstance(job, CellJob) and not failed:
            adopt(artefact_path(made.root, "checker", job.spec.id), job.folder, made.root)


def writable(folder: Path) -> None:
    """Make a folder. Raises UserError where that or writing into it is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: permission denied")


def queued(made: Plan) -> Queue:
    """The plan's jobs with the states that the store has; artefacts are looked at only if a cell still needs them."""
    states = {identity: state(job.folder) for identity, job in made.jobs.items()}
    wanted: set[str] = set()

    def want(identity: str) -> None:
        if identity not in wanted:
            wanted.add(identity)
            if states[identity] is not State.DONE:
                for need in made.jobs[identity].needs:
                    want(need)

    for identity in (*made.cells, *made.mirrors):
        want(identity)
    jobs = {identity: job for identity, job in made.jobs.items() if identity in wanted}
    causes = {}
    for identity, job in jobs.items():
        if states[identity] is State.FAILED:
            causes[identity] = f"{failure(job.folder)} (in an earlier run)"
    running = {State.RUNNING: State.STALE}  # held by another run: the worker finds out, and waits for it
    return Queue(jobs, {identity: running.get(states[identity], states[identity]) for identity in jobs}, causes)


def summary(made: Plan, options: Options, say: Say) -> None:
    """The dry run: what there is, what would be done, and about how long it would take."""
    queue = queued(made)
    open_jobs = [job for identity, job in queue.jobs.items() if queue.states[identity] in (State.MISSING, State.STALE)]
    asked = Counter(str(state(made.jobs[identity].folder)) for identity in made.cells)
    say(f"cells: {len(made.cells)} ({', '.join(f'{count} {name}' for name, count in sorted(asked.items()))})")
    trainings = sum(isinstance(job, CellJob) for job in open_jobs)
    extra = sum(isinstance(job, CellJob) and job.id not in made.cells for job in open_jobs)
    artefacts = Counter(job.kind for job in open_jobs if job.kind != "cell")
    built = ", ".join(f"{count} {kind}" for kind, count in sorted(artefacts.items())) or "none"
    say(f"trainings to do: {trainings} (of which checkers that are no cells of the grid: {extra})")
    say(f"artefacts to build: {built}")
    count = options.workers or default_workers()
    about = estimate.spell(estimate.seconds(open_jobs, made.jobs.values(), count))
    say(
        f"estimate: about {about} on {count} worker{'s' * (count != 1)} (from counts; machines differ by a factor of 3)"
    )
