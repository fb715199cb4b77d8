"""Commands on a store: `list`, `show`, `clean`, `doctor`, `merge`, `publish`, `import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import CELL_HELP, print_all, say, up_to_date
from bench.cli.options import option, refuse


class Listing(StrEnum):
    """The things that `list` lists."""

    METHODS = "methods"
    TASKS = "tasks"
    ENGINES = "engines"
    CELLS = "cells"


LISTINGS = {
    Listing.METHODS: "the methods with their settings and costs",
    Listing.TASKS: "the tasks with their sources: whose text, how many rows, which licence, whom to cite",
    Listing.ENGINES: "what runs the jobs of a grid (run --engine NAME) and its settings (--engine-set key=value)",
    Listing.CELLS: "the cells of a store with their states (--out: another store; --failed: only those that failed)",
}


def list_(
    context: typer.Context,
    what: Annotated[Listing | None, typer.Argument(help="What to list.", show_default=False)] = None,
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="With cells: only those that failed.")] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
) -> None:
    """List the methods, the tasks, the engines, or the cells of a store with their states."""
    from bench.commands.stores import list as listing
    from bench.config.request import load_plugins

    if what is None:
        for kind, about in LISTINGS.items():
            say(f"python -m bench list {kind:8} {about}")
        return
    if what is not Listing.CELLS:
        refuse(context, ["out", "failed"], f"list {what} reads no store")
    if plugin or what is not Listing.CELLS:
        load_plugins(plugin or ())
    listings = {
        Listing.METHODS: listing.methods,
        Listing.TASKS: listing.tasks,
        Listing.ENGINES: listing.engines,
        Listing.CELLS: lambda: listing.cells(up_to_date(out), failed),
    }
    print_all(listings[what]())


def show(
    cell: Annotated[list[str], typer.Argument(help=f"A cell: {CELL_HELP}.")],
    other: Annotated[str, typer.Option("--diff", help="A second cell; show only how the two differ.")] = "",
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Show one cell: settings, metrics, training curves, versions, end of its log; or how two cells differ (--diff)."""
    from bench.commands.stores import show
    from bench.store import find

    out = up_to_date(out)
    folder = find.find(out, " ".join(cell))
    print_all(show.diff(folder, find.find(out, other)) if other else show.show(folder))


def clean(
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Remove failed cells too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without --yes they are only listed.")] = False,
) -> None:
    """Show the space that a store takes, and remove folders that are not needed (--yes). Finished cells always stay."""
    from bench.commands.stores.clean import clean as cleaning
    from bench.remote.opened import opened

    with opened(out, removes=yes, whole=False) as root:
        print_all(cleaning(root, failed=failed, remove=yes))


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
    from bench.remote.opened import opened

    with opened(out, removes=repair) as root:
        lines, sound = check(root, repair=repair)
    print_all(lines, sound)


def merge(
    stores: Annotated[list[Path], typer.Argument(help="The stores to copy from.")],
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Copy the finished cells and grids of other stores into one, for example of machines that share no disk.

    Nothing is overwritten. Exit code 1 if a cell of the same id has other results in two stores.
    """
    from bench.commands.stores.merge import merge as merging
    from bench.remote.opened import fetched, opened

    with opened(out, may_be_new=True) as root:
        lines, sound = merging([fetched(store, whole=True) for store in stores], root)
    print_all(lines, sound)


def publish(
    to: Annotated[
        str, typer.Option(help="A new folder, a new file NAME.zip, or hub:ORG/NAME, which is public if it is new.")
    ],
    name: Annotated[str, typer.Option(help="What reports call these cells once others have imported them.")],
    out: Annotated[Path, option("out")] = Path("runs"),
    texts: Annotated[
        bool, typer.Option("--texts", help="Add texts of generated and real rows, and all tokens.")
    ] = False,
    baseline: Annotated[str, option("baseline")] = "ce",
    no_figures: Annotated[bool, option("figures")] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
) -> None:
    """Write a bundle: the finished cells of a store with their report and digests, without texts, models and logs."""
    from bench.commands.stores.publish import publish as publishing
    from bench.config.request import load_plugins
    from bench.leaderboard import Rules
    from bench.remote.opened import fetched

    if plugin:
        load_plugins(plugin)
    print_all(
        publishing(fetched(out, whole=texts), to, name, Rules(baseline=baseline), texts=texts, figures=not no_figures)
    )


def import_(
    bundles: Annotated[
        list[Path], typer.Argument(help="Folders or zip files that `bench publish` wrote, or hub:ORG/NAME.")
    ],
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Check bundles and copy their cells to a store. Reports say which cells were imported, and from which bundle."""
    from bench.commands.stores.import_ import import_bundles
    from bench.remote.opened import opened

    with opened(out, may_be_new=True) as root:
        lines, sound = import_bundles(bundles, root)
    print_all(lines, sound)
