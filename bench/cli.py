"""The command line. Parsing only; what a command starts is imported when it starts.

Exit codes: 0 all is there, 1 some cells failed, 2 the request cannot be met as asked, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench import options
from bench.argv import normalise
from bench.config import expand
from bench.errors import UserError
from bench.leaderboard.rules import Correction, Rules
from bench.presets import Settings
from tasks import DataError

if TYPE_CHECKING:
    from bench.grid import Options, Result
    from bench.request import Request

# What a disk answers that is full, read-only, somebody else's or broken: no reason for a traceback.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
INTERRUPTED = 130
SETTINGS = tuple(f"--{entry.name.replace('_', '-')}" for entry in fields(Settings))
FLAGS = (
    "--dry-run",
    "--retry-failed",
    "--force",
    "--fail-fast",
    "--allow-mixed",
    "--no-figures",
    "--full",
    "--check",
    "--aa",
    "--with-texts",
    "--yes",
    "--failed",
    "--log-artifacts",
)
SEVERAL = ("--from",)  # options of several values

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which data-weighting method helps a classifier trained on LLM-generated text, by how much, and is it real?",
)


class Listing(StrEnum):
    """What `list` can list."""

    METHODS = "methods"
    TASKS = "tasks"
    CELLS = "cells"


@app.command()
def run(
    context: typer.Context,
    methods: options.Methods = "all",
    tasks: options.Tasks = None,
    seeds: options.Seeds = 5,
    seed: options.Seed = "",
    config: options.Config = None,
    plugin: options.Plugin = None,
    source: options.Source = None,
    data_dir: options.DataDir = None,
    generated: options.Generated = None,
    real: options.Real = None,
    test: options.Test = None,
    test_size: options.TestSize = "default",
    limit: options.Limit = None,
    encoder: options.Encoder = None,
    checker_encoder: options.CheckerEncoder = None,
    quality_checker: options.QualityChecker = None,
    diversity_checker: options.DiversityChecker = None,
    preset: options.Preset = "quick",
    protocol: options.Protocol = None,
    settings: options.Set = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    retry_failed: options.RetryFailed = False,
    force: options.Force = False,
    fail_fast: options.FailFast = False,
    out: options.Out = Path("runs"),
    reports: options.Reports = Path("reports"),
    baseline: options.Baseline = "ce",
    delta: options.Delta = 1.0,
    correction: options.Corrected = Correction.HOLM,
    allow_mixed: options.AllowMixed = False,
    no_figures: options.NoFigures = False,
    save_models: options.SaveModels = None,
    track: options.Track = "none",
    log_artifacts: options.LogArtifacts = False,
) -> None:
    """Train the method x task x seed grid (what is missing of it) and write the leaderboard.

    What is done already is kept. Ctrl-C once finishes the cells that run and writes the report, twice stops at once.
    """
    from bench.grid import run as run_grid

    asked, how = grid_of(context.params)
    finish(run_grid(asked, how, say, display()))


def grid_of(given: Mapping[str, Any]) -> tuple[Request, Options]:
    """What the parsed options of `run` ask for; what `--config` says is among them. Raises UserError."""
    from bench.grid import Options
    from bench.kept import checkers_of
    from bench.lineage import KINDS
    from bench.request import request

    asked = {name: given[name] for name in signature(request).parameters if name in given}
    asked |= {
        "seeds": given["seed"] or given["seeds"],
        "settings": values(given["settings"] or []),
        "plugins": [Path(file) for file in given["plugin"] or ()],
    }
    asked |= checkers_of({key: given[key] for key in ("quality_checker", "diversity_checker")}, Path(given["out"]))
    how = {name: given[name] for name in signature(Options).parameters if name in given}
    how |= {
        "out": Path(given["out"]),
        "reports": Path(given["reports"]),
        "command": typed(),
        "rules": Rules(given["baseline"], given["delta"] / 100, Correction(given["correction"]), given["allow_mixed"]),
        "figures": not given["no_figures"],
        "save_models": given["save_models"],
        "artifacts": KINDS if given["log_artifacts"] else (),
    }
    return request(**asked), Options(**how)


def finish(result: Result) -> None:
    """End with the exit code of a run."""
    if not result.ok:
        raise typer.Exit(INTERRUPTED if result.interrupted else 1)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def stress(
    context: typer.Context,
    axis: Annotated[str, typer.Option(help="noise=0:0.4:0.1 or real=50,100,300; axes: see list tasks.")],
    task: Annotated[str, typer.Option(help="One task, perhaps with further options.")] = "twitter",
) -> None:
    """Run one axis of stress as a grid and draw accuracy along it. Takes every option of `run` besides --tasks.

    The report is that of `run`: a table and a figure of the whole axis, then a section for each value.
    """
    from bench.stress import along

    if any(argument.partition("=")[0] == "--tasks" for argument in context.args):
        raise UserError("stress takes one --task and its --axis, not --tasks")
    app(["run", "--tasks", along(task, axis), *context.args], standalone_mode=False)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="A sweep file, as `wandb sweep` reads it.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="Most trials (default: the file's run_cap; all of a grid, else 20).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draws of methods random and bayes.")] = 0,
    dry_run: options.DryRun = False,
    track: options.Track = "none",
) -> None:
    """Run the trials of a sweep file here, as one grid and without a server.

    Methods random and bayes draw: the search of bayes needs the server. Nothing is tracked unless --track says so here.
    """
    from dataclasses import replace

    from bench.grid import run as run_grid
    from bench.sweep import trials

    found, told = trials(file, count, seed)
    command = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    grids = [
        grid_of(command.make_context("run", normalise(arguments, FLAGS, SETTINGS, SEVERAL)).params)
        for arguments in found
    ]
    say(told)
    how = grids[0][1]
    how = replace(how, dry_run=dry_run, track=track, artifacts=how.artifacts if track == "wandb" else ())
    finish(run_grid([asked for asked, _ in grids], how, say, display()))


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="JSON or YAML with the keys of Hugging Face's run scripts.")],
    workers: options.Workers = 1,
    dry_run: options.DryRun = False,
    out: options.Out = Path("runs"),
    reports: options.Reports = Path("reports"),
    track: options.Track = "none",
    log_artifacts: options.LogArtifacts = False,
) -> None:
    """Train one cell as a configuration file says; keep its model, predict its test file."""
    from bench.grid import Options
    from bench.lineage import KINDS
    from bench.train import train as train_one

    how = Options(
        out=out,
        reports=reports,
        workers=workers,
        dry_run=dry_run,
        command=typed(),
        figures=False,
        track=track,
        artifacts=KINDS if log_artifacts else (),
    )
    if not train_one(config, how, say):
        raise typer.Exit(1)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="A model's folder, hub id, wandb: artifact or cell.")],
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON lines, Parquet, or a text per line.")],
    to: Annotated[Path, typer.Option(help="Where the predictions are written.")] = Path("predictions.csv"),
    as_submission: Annotated[bool, typer.Option("--submission", help="As Id,Prediction with -1 and 1.")] = False,
    out: options.Out = Path("runs"),
) -> None:
    """Write the labels and probabilities that a saved model gives the texts of a file."""
    from bench.kept import model_of
    from bench.predict import predict as predicted
    from bench.predict import write
    from bench.train import labelled

    if as_submission and labelled(str(file)):
        raise UserError(f"{file} has labels, but a submission is for texts without; leave out --submission")
    write(predicted(model_of(model, out), file), to, as_submission=as_submission)
    say(f"predictions: {to}")


@app.command()
def validate(
    tasks: Annotated[str | None, typer.Argument(help="Names or paths, as in run --tasks.", show_default=False)] = None,
    source: options.Source = None,
    data_dir: options.DataDir = None,
    generated: options.Generated = None,
    real: options.Real = None,
    test: options.Test = None,
    encoder: Annotated[str | None, typer.Option(help="Whose tokens are counted (default: the preset's).")] = None,
    preset: Annotated[str, typer.Option(help="Whose maximum length counts.")] = "quick",
    test_size: options.TestSize = "default",
) -> None:
    """Show what a task's data are: roles, sizes, label shares, duplicates, what is removed, lengths."""
    from bench.request import request
    from bench.validate import validate as lines

    asked = request(
        methods="ce",
        tasks=tasks,
        source=source,
        data_dir=data_dir,
        generated=generated,
        real=real,
        test=test,
        encoder=encoder,
        preset=preset,
        test_size=test_size,
    )
    for line in lines(asked):
        say(line)


@app.command(name="list")
def list_(
    what: Listing,
    out: options.Out = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Only cells that failed.")] = False,
    plugin: options.Plugin = None,
) -> None:
    """List the methods, the tasks, or the cells of a store with their states."""
    from bench import listing
    from bench.request import load_plugins

    load_plugins(plugin or ())
    listings = {
        Listing.METHODS: listing.methods,
        Listing.TASKS: listing.tasks,
        Listing.CELLS: lambda: listing.cells(out, failed),
    }
    for line in listings[what]():
        say(line)


@app.command()
def show(
    cell: Annotated[list[str], typer.Argument(help='An id or its beginning, a folder, or "task method seed".')],
    other: Annotated[str, typer.Option("--diff", help="Another cell: tell what differs instead.")] = "",
    out: options.Out = Path("runs"),
) -> None:
    """Show one cell: what it is, metrics, curves, environment, the end of its log; or what differs between two."""
    from bench import show as showing

    folder = showing.find(out, " ".join(cell))
    for line in showing.diff(folder, showing.find(out, other)) if other else showing.show(folder):
        say(line)


@app.command()
def clean(
    out: options.Out = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Failed cells go too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it nothing is.")] = False,
) -> None:
    """Show what a store's space goes to, and remove what nobody needs (--yes); done cells always stay."""
    from bench.clean import clean as cleaning

    for line in cleaning(out, failed=failed, remove=yes):
        say(line)


@app.command()
def report(
    out: options.Out = Path("runs"),
    stores: Annotated[
        list[Path] | None, typer.Option("--from", help="Several stores instead, merged: --from A B.")
    ] = None,
    reports: options.Reports = Path("reports"),
    baseline: options.Baseline = "ce",
    delta: options.Delta = 1.0,
    correction: options.Corrected = Correction.HOLM,
    allow_mixed: options.AllowMixed = False,
    no_figures: options.NoFigures = False,
    check: Annotated[bool, typer.Option("--check", help="Compare the written report with the store.")] = False,
) -> None:
    """Write the leaderboard of everything that one or more stores hold, without training."""
    from bench import report as reporting
    from bench.grid import writable

    sources = stores or [out]
    if check:
        found = list(reporting.check(sources, reports))
        for line in found:
            say(line)
        told = ", ".join(map(str, sources))
        say(f"{reports}: {f'{len(found)} files differ from {told}' if found else f'what {told} gives'}")
        if found:
            raise typer.Exit(1)
        return
    writable(reports)
    rules = Rules(baseline, delta / 100, correction, allow_mixed)
    say(f"leaderboard: {reporting.write(sources, reports, rules, command=typed(), figures=not no_figures)}")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A method, as the leaderboard labels it.")],
    b: Annotated[str, typer.Argument(help="The method that it is compared with.")],
    task: Annotated[str | None, typer.Option(help="One task only.")] = None,
    out: options.Out = Path("runs"),
    delta: options.Delta = 1.0,
    correction: options.Corrected = Correction.HOLM,
    allow_mixed: options.AllowMixed = False,
) -> None:
    """Compare two methods of a store, with everything that the verdict rests on."""
    from bench.comparison import compare as lines

    for line in lines(out, a, Rules(b, delta / 100, correction, allow_mixed), task=task):
        say(line)


@app.command()
def weights(
    cell: Annotated[str, typer.Argument(help="A finished cell: its folder, its id, or the start of its id.")],
    out: options.Out = Path("runs"),
    top: Annotated[int, typer.Option(min=0, help="How many of the heaviest and lightest rows.")] = 5,
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Also their texts, as the encoder saw them.")
    ] = False,
) -> None:
    """Look at a cell's weights: their distribution, what they find and go with, the heaviest and lightest rows."""
    from bench.lens import weights as lines

    for line in lines(out, cell, top=top, with_texts=with_texts):
        say(line)


@app.command()
def calibrate(
    full: Annotated[bool, typer.Option("--full", help="All seeds, rows and sd; 40,000 nulls each.")] = False,
    store: Annotated[Path | None, typer.Option("--from", help="Also the variances of this store.")] = None,
    same: Annotated[
        bool, typer.Option("--aa", help="Instead, each method of --from against itself on other seeds.")
    ] = False,
    reports: options.Reports = Path("reports"),
) -> None:
    """Measure by simulation how often verdicts are wrong: false positives, coverage, power; or on real cells (--aa)."""
    from bench.grid import writable

    writable(reports)
    if same:
        from bench.aa import aa

        if store is None:
            raise UserError("calibrate --aa needs the cells of a store: --from DIR")
        say(f"written: {aa(store, reports, say)}")
    else:
        from bench.calibrate import calibrate as simulate

        say(f"written: {simulate(reports, say, full=full, store=store)}")


def values(sequence: Sequence[str]) -> dict[str, str]:
    """`key=value` entries as a dict. Raises UserError for one without a value or given twice."""
    found: dict[str, str] = {}
    for entry in sequence:
        key, equals, value = entry.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UserError(f"--set {entry!r} is not key=value")
        if key.strip() in found:
            raise UserError(f"--set {key.strip()!r} is given twice")
        found[key.strip()] = value.strip()
    return found


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def display() -> Any:
    """How a run is shown: as a live table on a terminal that can show one, else by its lines alone."""
    from rich.console import Console

    from bench import live

    return live.table if sys.stdout.isatty() and Console().is_interactive else contextlib.nullcontext


def known_keys() -> list[str]:
    """What a `--config` file may hold: the options of `run` and the training settings, by their names."""
    parameters = typer.main.get_command(app).commands["run"].params  # type: ignore[attr-defined]
    names = [name[2:] for entry in parameters for name in entry.opts if name not in ("--help", "--config")]
    return [*names, *(name[2:] for name in SETTINGS)]


def say(line: str) -> None:
    """One line on standard output, at once; that nobody reads it any more is no reason to stop."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        whole = expand(sys.argv[1:] if argv is None else argv, known_keys())
        arguments = normalise(whole, FLAGS, SETTINGS, SEVERAL)
        code: Any = app(arguments, standalone_mode=False)
    except (UserError, DataError) as error:
        code = complain(str(error))
    except typer.Exit as stop:
        code = stop.exit_code
    except OSError as error:
        if error.errno not in DISK:
            raise
        code = complain(f"{error.filename or 'a file'} cannot be written: {error.strerror}")
    except Exception as error:
        told = getattr(error, "format_message", None)  # an error of the parser
        if told is None:
            raise
        code = complain(told()) if told() else 2  # without a command the help has been shown
    if code == INTERRUPTED:
        print("interrupted; the same command goes on from here", file=sys.stderr)
    sys.exit(code or 0)


def complain(message: str) -> int:
    """The one line that the user gets, and the exit code that goes with it."""
    from bench.engines.torchrun import follows

    if follows():
        time.sleep(5)  # torchrun ends all processes when one ends: the one that speaks goes first
    else:
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
