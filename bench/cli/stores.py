"""Commands on data and stores: `validate`, `list`, `show`, `clean`, `doctor`, `weights`, `init`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.cli.common import say
from bench.cli.options import option, parsed_arguments, takes_run_arguments
from bench.config.run_arguments import DataArguments


class Listing(StrEnum):
    """The things that `list` lists."""

    METHODS = "methods"
    TASKS = "tasks"
    CELLS = "cells"


LISTINGS = {
    Listing.METHODS: "the methods with their settings and costs",
    Listing.TASKS: "the tasks with their sources: whose text, how many rows, which licence",
    Listing.CELLS: "the cells of a store with their states (--out: another store; --failed: only those that failed)",
}


class Starter(StrEnum):
    """The folders that `init` copies."""

    SWEEPS = "sweeps"


@takes_run_arguments(DataArguments)
def validate(
    context: typer.Context,
    tasks: Annotated[str | None, typer.Argument(help="Names or paths, as in run --tasks.", show_default=False)] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Count tokens with its tokenizer (default: the preset's encoder).")
    ] = None,
    preset: Annotated[str, typer.Option(help="Longer texts than its maximum length count as cut.")] = "quick",
    settings: Annotated[list[str] | None, option("settings")] = None,
    **arguments: Any,
) -> None:
    """Show the data of a task: columns, roles, sizes, label shares, duplicates, overlaps and lengths in tokens."""
    from bench.commands.validate import validate as lines
    from bench.config.option import key_values
    from bench.config.request import make_request

    changes = {"tasks": tasks, "encoder": encoder, "preset": preset, "settings": key_values(settings or ())}
    request = make_request(methods="ce", **changes, **vars(parsed_arguments(context.params, DataArguments)))
    for line in lines(request):
        say(line)


def list_(
    what: Annotated[Listing | None, typer.Argument(help="What to list.", show_default=False)] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="With cells: only those that failed.")] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
) -> None:
    """List the methods, the tasks, or the cells of a store with their states."""
    from bench.commands import list as listing
    from bench.config.request import load_plugins

    if what is None:
        for kind, about in LISTINGS.items():
            say(f"python -m bench list {kind:8} {about}")
        return
    load_plugins(plugin or ())
    listings = {
        Listing.METHODS: listing.methods,
        Listing.TASKS: listing.tasks,
        Listing.CELLS: lambda: listing.cells(out, failed),
    }
    for line in listings[what]():
        say(line)


def show(
    cell: Annotated[list[str], typer.Argument(help='The start of its id, its folder, or "task method seed".')],
    other: Annotated[str, typer.Option("--diff", help="A second cell; show only how the two differ.")] = "",
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Show one cell: settings, metrics, training curves, versions, end of its log; or how two cells differ (--diff)."""
    from bench.commands import show
    from bench.store import find

    folder = find.find(out, " ".join(cell))
    for line in show.diff(folder, find.find(out, other)) if other else show.show(folder):
        say(line)


def clean(
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Remove failed cells too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without --yes they are only listed.")] = False,
) -> None:
    """Show the space that a store takes, and remove folders that are not needed (--yes). Finished cells always stay."""
    from bench.commands.clean import clean as cleaning

    for line in cleaning(out, failed=failed, remove=yes):
        say(line)


def doctor(
    out: Annotated[Path, option("out")] = Path("runs"),
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove damaged and unfinished folders; the next run computes them again.")
    ] = False,
) -> None:
    """Check that every file of a store is as it was written, and list damaged and unfinished folders.

    Exit code 1 if there are problems and --repair was not given.
    """
    from bench.commands.doctor import doctor as check

    lines, sound = check(out, repair=repair)
    for line in lines:
        say(line)
    if not sound:
        raise typer.Exit(1)


def weights(
    cell: Annotated[
        list[str],
        typer.Argument(help='A finished cell: the start of its id, its folder, or "task method seed".'),
    ],
    out: Annotated[Path, option("out")] = Path("runs"),
    top: Annotated[int, typer.Option(min=0, help="How many of the heaviest and of the lightest rows to show.")] = 5,
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Also show the texts of these rows, decoded from the encoder's tokens.")
    ] = False,
) -> None:
    """Show a cell's weights: distribution, detection of wrong labels and duplicates, heaviest and lightest rows."""
    from bench.commands.weights import weights as lines

    for line in lines(out, " ".join(cell), top=top, with_texts=with_texts):
        say(line)


def init(
    what: Annotated[Starter, typer.Argument(help="W&B sweeps, grids and recipes, into ./sweeps.")],
) -> None:
    """Copy files that come with the package into the working directory, to be edited and run."""
    from bench.commands import init

    for line in {Starter.SWEEPS: init.sweeps}[what]():
        say(line)
