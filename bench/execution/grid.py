"""A run of a grid: plans it, trains the missing cells, writes the report. Called by `bench run` and `bench.run`."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import leaderboard
from bench.config.request import Request
from bench.config.run_arguments import ExecutionArguments
from bench.devices import gpus, using
from bench.errors import UserError
from bench.execution import engines
from bench.execution.best_models import keep_best, models
from bench.execution.dry_run import data_lines, duration, forecast, models_line, other_versions, outcome, summary
from bench.execution.early_reports import EarlyReports
from bench.execution.encoder_checks import add_notes, check_encoders
from bench.execution.engines import Engine
from bench.execution.engines.engine import settle
from bench.execution.limits import limits, require_device, require_limits
from bench.execution.prepare import (
    damaged,
    done_again,
    fetch_results,
    keep_models,
    make_queue,
    models_amiss,
    prepare_store,
    score_checkers_only,
    to_compute,
    unfinished,
    will_train,
)
from bench.execution.progress import TITLES, FailFast, Progress, Say, Show
from bench.execution.queue import Others, SameFolder, outcome_written
from bench.execution.signals import Stopped, report_first, until_the_end
from bench.leaderboard.rules import require_baseline
from bench.planning import mirrors
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.processes import REPORTS
from bench.remote.opened import copy_of
from bench.remote.runs import RemoteRun
from bench.store import hidden_columns, role_texts
from bench.store.files import read_json, writable
from bench.store.leases import registered
from bench.store.looks import record_look, with_looks
from bench.store.manifest import save
from bench.tracking.report import log_report
from bench.tracking.trackers import check_folders
from tasks.errors import join_names, plural

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Options(ExecutionArguments):
    """How a grid is run: nothing here changes a result. Most fields are arguments of a run."""

    command: str = ""
    rules: leaderboard.Rules = leaderboard.USUAL
    inputs: Sequence[str] = ()  # W&B artifacts from which the rows were read


@dataclass
class Result:
    """The result of a run: its manifest, its leaderboard, and its failures."""

    manifest: dict[str, Any]
    store: Path
    rules: leaderboard.Rules = leaderboard.USUAL
    leaderboard: Path | None = None
    failures: dict[str, str] = field(default_factory=dict)  # job id -> cause, of jobs that failed or were not run
    interrupted: bool = False  # whether Ctrl-C ended the run before all was done
    closed: bool = False  # whether there was a Ctrl-C, after which nothing further begins

    @property
    def ok(self) -> bool:
        """Whether every requested cell has a result."""
        return not self.failures

    def frame(self) -> pd.DataFrame:
        """The leaderboard as a table, one row per task and method label."""
        return leaderboard.frame(self.manifest, self.store, self.rules)


def run(
    requests: Request | Sequence[Request],
    options: Options,
    say: Say,
    show: Show = contextlib.nullcontext,
) -> Result:
    """Run a grid, or several as one. Raises UserError before anything trains, and where the store cannot be written.

    A cell that fails is printed and the grid goes on. After SIGTERM or SIGHUP the report is written and Stopped raised.
    `show` is entered while cells train: the live table.
    """
    with using(options.device):
        engine = engines.chosen(options.engine, options.engine_set)
        if engine.here:
            require_device(options.device)
        require_usable(requests, options, engine)
        if options.dry_run or engine.follows():
            return run_here(requests, options, engine, say, show)
        if engine.here:
            require_limits(engine.count(options.workers))
        with engine.ahead():
            return run_here(requests, options, engine, say, show)


def run_here(
    requests: Request | Sequence[Request],
    options: Options,
    engine: Engine,
    say: Say,
    show: Show,
) -> Result:
    """`run` on the devices that the environment names."""
    plan = planned(requests, options)
    if unscored := sum(not getattr(plan.jobs[identity], "score", True) for identity in plan.cells):
        say(f"generated rows are not scored by {unscored:,} of {plural(len(plan.cells), 'cell')}: no checkers")
    manifest = describe(plan, options.command)
    require_baseline(manifest, options.rules, "this grid")
    if engine.follows():
        if not options.dry_run:
            engine.follow()
        return Result(manifest, plan.root, options.rules)
    if options.dry_run:
        again = done_again(plan, options)
        summary(plan, engine.count(options.workers), say, again)
        for line in other_versions(manifest, plan, make_queue(plan, again=again), options.rules, here=engine.here):
            say(line)
        return Result(manifest, plan.root, options.rules)
    for folder in (options.reports, plan.root):
        writable(folder)
    if engine.here:
        check_folders(options.track)
    lines = data_lines(plan)
    if will_train(plan, options):
        while lines:
            say(lines.pop(0))
        if options.figures and not plan.smoke:
            load_drawing()
    return train_and_report(plan, manifest, engine, options, say, show, lines)


def train_and_report(
    plan: Plan,
    manifest: dict[str, Any],
    engine: Engine,
    options: Options,
    say: Say,
    show: Show,
    lines: Sequence[str],
) -> Result:
    """Compute what the store lacks of a plan, and write the report. `lines`: those on the data not printed yet."""
    result = Result(manifest, plan.root, options.rules)
    earlier = models(plan) if options.save_models == "best" else set()
    with contextlib.ExitStack() as end:
        with registered(plan.root), beside_others(plan, say) as others:
            for note in add_notes(manifest, plan, check_encoders(plan)):
                say(note)
            write_inputs(plan, manifest, options)
            others.send_rest()
            end.enter_context(until_the_end())
            progress, early, stopped = execute(plan, manifest, engine, options, others, say, show, lines)
            result.failures = progress.failures()
            amiss = models_amiss(plan)  # before --save-models best removes models of this run
            result.interrupted = progress.queue.closed and not result.ok
            covered, last = (manifest, "leaderboard") if early is None else early.covered(stopped is not None)
            unchanged = not progress.done and (stopped is not None or progress.queue.closed)
            end.enter_context(report_first(progress.queue))
            if not plan.smoke and not unchanged:
                covered = with_looks([plan.root], covered)
                files = last_report(covered, plan.root, options)
                result.leaderboard = files[0]
                if options.save_models == "best" and stopped is None and not result.interrupted:
                    shown = read_json(options.reports / "leaderboard.json")
                    for line in keep_best(covered, shown, plan.root, (models(plan) - earlier) & progress.own):
                        say(line)
                progress.note(log_report(options.track, covered, files))
            others.send_rest()
            result.failures |= others.unsent
        if unchanged and (options.reports / "leaderboard.json").exists():
            say(f"{options.reports} is as it was; `bench report` reports on the whole store")
        progress.finish(f"{last}: {result.leaderboard}" if result.leaderboard else "a smoke run has no leaderboard")
        for problem, titles in amiss.items():
            cells = plural(len(titles), "cell")
            say(f"{cells} done before, {problem} (--force trains again): {join_names(titles, TITLES)}")
        result.closed = progress.queue.closed
        if stopped is not None:
            raise stopped
    return result


def load_drawing() -> None:
    """Import what the last report draws with: until the first worker has started, this process has nothing to do."""
    for name in REPORTS:
        importlib.import_module(name)


def last_report(covered: dict[str, Any], store: Path, options: Options) -> list[Path]:
    """Write the report of a run that ended, and note that its verdicts were read. Returns its files."""
    written = leaderboard.write_files(covered, store, options.reports, options.rules, figures=options.figures)
    record_look(store, covered)
    return written


def require_usable(requests: Request | Sequence[Request], options: Options, engine: Engine) -> None:
    """Raise UserError for a store or an option that the engine cannot use, or a precision that needs a GPU."""
    if copy_of(options.out) is not None and not engine.remote:
        raise UserError(
            f"engine {options.engine} works in a folder that all machines see: run with --out FOLDER, and send it with "
            "`bench merge FOLDER --out` and the address"
        )
    if options.cell_timeout is not None and not engine.timed:
        raise UserError("--cell-timeout has no effect under torchrun, which ends all ranks or none; leave it out")
    asked = [requests] if isinstance(requests, Request) else requests
    if engine.here and any(request.settings.precision == "fp16" for request in asked) and not gpus():
        raise UserError("precision=fp16 needs a GPU; on a CPU use --set precision=bf16")


def planned(requests: Request | Sequence[Request], options: Options) -> Plan:
    """The plan of a grid with the models to save and the runs to log. Raises UserError."""
    plan = make_plan(requests, options.out)
    if options.save_models == "best" and plan.smoke:
        raise UserError("--save-models best needs a leaderboard, which a smoke run (--limit) does not have; use full")
    if options.save_models is not None:
        keep_models(plan, options.save_models)
    if options.final_scores == "checkers":
        score_checkers_only(plan)
    mirrors.mirror(plan, options.track, options.artifacts, options.inputs, live=options.live_curves)
    fetch_results(plan, models=options.save_models is not None)
    return plan


@contextlib.contextmanager
def beside_others(plan: Plan, say: Say) -> Iterator[Others]:
    """The other runs on the store. Raises UserError for a remote store that cannot be used."""
    copy = copy_of(plan.root)
    if copy is None:
        yield SameFolder()
        return
    run = RemoteRun(copy)
    with run.registered() as lines:
        for line in lines:
            say(line)
        yield run
        for line in run.summary():
            say(line)


def write_inputs(plan: Plan, manifest: dict[str, Any], options: Options) -> None:
    """Make the store ready for the plan's jobs, and write what reports need beside them."""
    prepare_store(plan, options)
    if not plan.smoke:
        save(manifest, plan.root)
    hidden_columns.save(plan.hidden, plan.root)
    role_texts.save(plan.texts, plan.root)


def execute(
    plan: Plan,
    manifest: dict[str, Any],
    engine: Engine,
    options: Options,
    others: Others,
    say: Say,
    show: Show,
    lines: Sequence[str],
) -> tuple[Progress, EarlyReports | None, Stopped | None]:
    """Run the plan's open jobs to the end, to the first failure under --fail-fast, or to a signal that stops the run.

    `lines`: those on the data that were not printed yet. Also returns the early reports, unless it is a smoke run, and
    the signal as the exception to raise at the end.
    """
    queue, workers = make_queue(plan, others), engine.count(options.workers)
    for line in (*damaged(queue), *other_versions(manifest, plan, queue, options.rules, here=engine.here)):
        say(line)
    if jobs := unfinished(queue):
        for line in lines:
            say(line)
        todo = to_compute(queue)
        expected, source = forecast(todo, plan, workers)
        for line in (*models_line(todo), duration(expected, source, workers)):
            say(line)
    how: dict[str, Any] = {"command": options.command, "retries": options.retry_failed, "force": options.force}
    progress = Progress(plan, queue, workers, say, fail_fast=options.fail_fast, **how)
    progress.on_pulse.append(lambda: progress.note(others.notes))
    early = None
    if not plan.smoke:
        early = EarlyReports(plan, queue, manifest, options.reports, options.rules, lambda line: progress.say(line))
        progress.on_pulse.append(early.pulse)
    stopped = None
    began = time.monotonic()
    try:
        with show(progress):
            engine.execute(queue, workers, progress, limits(jobs, plan.jobs.values(), options))
        if jobs and expected and not unfinished(queue) and not progress.failures():
            say(outcome(expected, time.monotonic() - began))
    except FailFast:
        say("stopped at the first failure (--fail-fast)")
    except Stopped as signal:
        say(f"stopped by {signal.name}")
        stopped = signal
    finally:
        for job in queue.written():
            with contextlib.suppress(FailFast):
                settle(queue, job, outcome_written(job), progress)
        if early is not None:
            early.finish()
    return progress, early, stopped
