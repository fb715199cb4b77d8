"""Commands that run grids: `run`, `stress`, `sweep`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options
from bench.cli.argv import normalise
from bench.cli.common import FLAGS, INTERRUPTED, SETTINGS, SEVERAL, say, typed
from bench.errors import UserError
from bench.leaderboard.rules import Correction

if TYPE_CHECKING:
    from bench.config.request import Request
    from bench.execution.grid import Options, Result


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
    from bench.execution.grid import run as run_grid

    asked, how = grid_of(context.params)
    finish(run_grid(asked, how, say, display()))


def stress(
    context: typer.Context,
    axis: Annotated[str, typer.Option(help="noise=0:0.4:0.1 or real=50,100,300; axes: see list tasks.")],
    task: Annotated[str, typer.Option(help="One task, perhaps with further options.")] = "twitter",
) -> None:
    """Run one axis of stress as a grid and draw accuracy along it. Takes every option of `run` besides --tasks.

    The report is that of `run`: a table and a figure of the whole axis, then a section for each value.
    """
    from bench.config.stress_axis import along

    if any(argument.partition("=")[0] == "--tasks" for argument in context.args):
        raise UserError("stress takes one --task and its --axis, not --tasks")
    context.find_root().command.main(["run", "--tasks", along(task, axis), *context.args], standalone_mode=False)


def sweep(
    context: typer.Context,
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

    from bench.config.sweep_file import trials
    from bench.execution.grid import run as run_grid

    found, told = trials(file, count, seed)
    command = context.find_root().command.commands["run"]  # type: ignore[attr-defined]
    grids = [
        grid_of(command.make_context("run", normalise(arguments, FLAGS, SETTINGS, SEVERAL)).params)
        for arguments in found
    ]
    say(told)
    how = grids[0][1]
    how = replace(how, dry_run=dry_run, track=track, artifacts=how.artifacts if track == "wandb" else ())
    finish(run_grid([asked for asked, _ in grids], how, say, display()))


def grid_of(given: Mapping[str, Any]) -> tuple[Request, Options]:
    """What the parsed options of `run` ask for; what `--config` says is among them. Raises UserError."""
    from bench.commands.arguments import known, sort
    from bench.tracking.lineage import KINDS

    # What the command line calls or writes otherwise.
    otherwise = {
        "seeds": given["seed"] or given["seeds"],
        "settings": values(given["settings"] or []),
        "plugins": given["plugin"] or (),
        "figures": not given["no_figures"],
        "artifacts": KINDS if given["log_artifacts"] else (),
    }
    alike = {name: value for name, value in given.items() if name in known()}
    return sort({**alike, **otherwise}, typed())


def finish(result: Result) -> None:
    """End with the exit code of a run."""
    if not result.ok:
        raise typer.Exit(INTERRUPTED if result.interrupted else 1)


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


def display() -> Any:
    """How a run is shown: as a live table on a terminal that can show one, else by its lines alone."""
    from rich.console import Console

    from bench.execution import live_table as live

    return live.table if sys.stdout.isatty() and Console().is_interactive else contextlib.nullcontext
