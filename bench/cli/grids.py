"""Commands that run grids: `run`, `stress`, `sweep`; `plan` says what one would show and cost."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.argv import canonical
from bench.cli.common import INTERRUPTED, say, typed, up_to_date
from bench.cli.options import option, parsed_arguments, takes_run_arguments
from bench.config.option import GRID, PLAN
from bench.errors import UserError

if TYPE_CHECKING:
    from bench.config.request import Request
    from bench.execution.grid import Options, Result


@takes_run_arguments()
def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=GRID,
            help="A YAML file with these options by name; an option that is also typed overrules the file.",
        ),
    ] = None,
    **arguments: Any,
) -> None:
    """Train the missing cells of a grid of methods, tasks and seeds, and write the leaderboard.

    A cell is one method on one task with one seed. Finished cells are not trained again.
    After one Ctrl-C the running cells finish and the report is written; a second Ctrl-C stops at once.
    """
    from bench.execution.until_decided import run_request

    request, options = request_of(context.params)
    finish(run_request(request, options, say, display()))


@takes_run_arguments()
def plan(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(rich_help_panel=GRID, help="A YAML file with these options.")] = None,
    effect: Annotated[
        float, typer.Option(rich_help_panel=PLAN, help="The true difference to find, in points.", min=0.01, max=100)
    ] = 2.0,
    power: Annotated[
        float, typer.Option(rich_help_panel=PLAN, help="The wanted chance to find it.", min=0.06, max=0.999)
    ] = 0.8,
    seed_sd: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=PLAN,
            help="Standard deviation of a difference between seeds, in points (default: from --from, else 2.5).",
            min=0,
            max=100,
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option("--from", rich_help_panel=PLAN, help="A store whose cells give the variances and the costs."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=PLAN,
            help="Time on --workers, such as 8h or 90min: seeds that do not fit are left out, the last one first.",
        ),
    ] = None,
    **arguments: Any,
) -> None:
    """Show what a grid could find and what it would cost, before anything trains.

    Takes every option of `run` but --until-decided and --max-seeds.

    Power by number of seeds, seeds and test rows needed; cells, tables, disk, hours, schedules on 1 to 1,000 workers.
    """
    from bench.commands.reports.plan import Wishes, plan_grid
    from bench.devices import using
    from bench.execution import engines
    from bench.execution.limits import require_device
    from bench.planning.estimate import budget_seconds
    from bench.store.files import writable

    request, options = request_of(context.params)
    refuse_rounds(options, "plan counts all seeds")
    store = None if store is None else up_to_date(store)
    seconds = None if budget is None else budget_seconds(budget)
    wishes = Wishes(effect, power, seed_sd, store, seconds)
    require_device(options.device)
    writable(options.reports)
    with using(options.device):
        engine = engines.chosen(options.engine, options.engine_set)
        say(f"written: {plan_grid(request, options, wishes, engine, say)}")


def stress(
    context: typer.Context,
    axis: Annotated[
        str,
        typer.Option(help="The axis and its values: noise=0:0.4:0.1 or real=50,100,300; `list tasks` shows the axes."),
    ],
    task: Annotated[str, typer.Option(help="One task, with further options in brackets if needed.")] = "twitter",
) -> None:
    """Run a grid along one axis of stress and draw accuracy along it. Takes every option of `run` except --tasks.

    The report is that of `run`, with a table and a figure of the whole axis before the sections of its values.
    """
    from bench.config.stress_axis import along

    if any(argument.partition("=")[0] == "--tasks" for argument in context.args):
        raise UserError("stress takes one --task and its --axis, not --tasks")
    context.find_root().command.main(["run", "--tasks", along(task, axis), *context.args], standalone_mode=False)


def sweep(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A sweep file, as `wandb sweep` reads it.")],
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="The largest number of trials (default: run_cap of the file; else all of a grid, or 20 draws)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random trials of sweep methods random and bayes.")] = 0,
    dry_run: Annotated[bool, option("dry_run")] = False,
    retry_failed: Annotated[bool, option("retry_failed")] = False,
    track: Annotated[str, option("track")] = "none",
) -> None:
    """Run the trials of a W&B sweep file on this machine, as one grid and without a server.

    Sweep methods random and bayes both draw at random, since the search of bayes needs the server.
    Nothing is sent to W&B unless --track wandb is given here.
    """
    from dataclasses import fields, replace

    from bench.config.sweep_file import trials
    from bench.execution.grid import run as run_grid
    from bench.tracking.trackers import names

    lines, summary = trials(file, count, seed)
    grids = [as_run(context, line) for line in lines]
    say(summary)
    options = grids[0][1]
    refuse_rounds(options, "a sweep trains all seeds of its trials")
    for name in (entry.name for entry in fields(options) if entry.name != "command"):
        if any(getattr(other, name) != getattr(options, name) for _, other in grids):
            raise UserError(f"the trials of {file} differ in {name}, which is one for the whole run of a sweep")
    artifacts = options.artifacts if "wandb" in names(track) else ()
    options = replace(options, dry_run=dry_run, retry_failed=retry_failed, track=track, artifacts=artifacts)
    finish(run_grid([request for request, _ in grids], options, say, display()))


def request_of(parsed: Mapping[str, Any]) -> tuple[Request, Options]:
    """The grid that the parsed options of `run` describe, and how to run it. Raises UserError."""
    from bench.commands.arguments import request_and_options

    return request_and_options(parsed_arguments(parsed), typed())


def as_run(context: typer.Context, line: Sequence[str]) -> tuple[Request, Options]:
    """The grid of the options in `line`, as if they were typed after `run`. Raises UserError."""
    commands: Any = context.find_root().command
    return request_of(commands.commands["run"].make_context("run", canonical(line, commands)).params)


def refuse_rounds(options: Options, why: str) -> None:
    """Raise UserError for options that add seeds in rounds, in a command that does not."""
    if options.until_decided or options.max_seeds is not None:
        raise UserError(f"{why}; --until-decided and --max-seeds are for run")


def finish(result: Result) -> None:
    """End with the exit code of a run."""
    if result.interrupted or not result.ok:
        raise typer.Exit(INTERRUPTED if result.interrupted else 1)


def display() -> Any:
    """How a run shows its progress: a live table on a terminal that can show one, else lines alone."""
    from rich.console import Console

    from bench.execution import live_table

    return live_table.table if sys.stdout.isatty() and Console().is_interactive else contextlib.nullcontext
