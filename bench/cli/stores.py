"""Commands on a store: `list`, `show`, `clean`, `doctor`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import say
from bench.cli.options import option


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


def list_(
    what: Annotated[Listing | None, typer.Argument(help="What to list.", show_default=False)] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="With cells: only those that failed.")] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
) -> None:
    """List the methods, the tasks, or the cells of a store with their states."""
    from bench.commands.stores import list as listing
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
    from bench.commands.stores import show
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
    from bench.commands.stores.clean import clean as cleaning

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
    from bench.commands.stores.doctor import doctor as check

    lines, sound = check(out, repair=repair)
    for line in lines:
        say(line)
    if not sound:
        raise typer.Exit(1)
