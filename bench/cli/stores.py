"""Commands that look at what there is: `validate` at data, `list`, `show`, `clean` and `weights` at a store."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.common import say
from bench.cli.options import option


class Listing(StrEnum):
    """What `list` can list."""

    METHODS = "methods"
    TASKS = "tasks"
    CELLS = "cells"


def validate(
    tasks: Annotated[str | None, typer.Argument(help="Names or paths, as in run --tasks.", show_default=False)] = None,
    source: Annotated[str | None, option("source")] = None,
    data_dir: Annotated[Path | None, option("data_dir")] = None,
    generated: Annotated[str | None, option("generated")] = None,
    real: Annotated[str | None, option("real")] = None,
    test: Annotated[str | None, option("test")] = None,
    encoder: Annotated[str | None, typer.Option(help="Whose tokens are counted (default: the preset's).")] = None,
    preset: Annotated[str, typer.Option(help="Whose maximum length counts.")] = "quick",
    test_size: Annotated[str, option("test_size")] = "default",
) -> None:
    """Show what a task's data are: roles, sizes, label shares, duplicates, what is removed, lengths."""
    from bench.commands.validate import validate as lines
    from bench.config.request import make_request

    asked = make_request(
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


def list_(
    what: Listing,
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Only cells that failed.")] = False,
    plugin: Annotated[list[Path] | None, option("plugins")] = None,
) -> None:
    """List the methods, the tasks, or the cells of a store with their states."""
    from bench.commands import list as listing
    from bench.config.request import load_plugins

    load_plugins(plugin or ())
    listings = {
        Listing.METHODS: listing.methods,
        Listing.TASKS: listing.tasks,
        Listing.CELLS: lambda: listing.cells(out, failed),
    }
    for line in listings[what]():
        say(line)


def show(
    cell: Annotated[list[str], typer.Argument(help='An id or its beginning, a folder, or "task method seed".')],
    other: Annotated[str, typer.Option("--diff", help="Another cell: tell what differs instead.")] = "",
    out: Annotated[Path, option("out")] = Path("runs"),
) -> None:
    """Show one cell: what it is, metrics, curves, environment, the end of its log; or what differs between two."""
    from bench.commands import show
    from bench.store import find

    folder = find.find(out, " ".join(cell))
    for line in show.diff(folder, find.find(out, other)) if other else show.show(folder):
        say(line)


def clean(
    out: Annotated[Path, option("out")] = Path("runs"),
    failed: Annotated[bool, typer.Option("--failed", help="Failed cells go too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it nothing is.")] = False,
) -> None:
    """Show what a store's space goes to, and remove what nobody needs (--yes); done cells always stay."""
    from bench.commands.clean import clean as cleaning

    for line in cleaning(out, failed=failed, remove=yes):
        say(line)


def weights(
    cell: Annotated[
        list[str],
        typer.Argument(help='A finished cell: its id or the start of it, its folder, or "task method seed".'),
    ],
    out: Annotated[Path, option("out")] = Path("runs"),
    top: Annotated[int, typer.Option(min=0, help="How many of the heaviest and lightest rows.")] = 5,
    with_texts: Annotated[
        bool, typer.Option("--with-texts", help="Also their texts, as the encoder saw them.")
    ] = False,
) -> None:
    """Look at a cell's weights: their distribution, what they find and go with, the heaviest and lightest rows."""
    from bench.commands.weights import weights as lines

    for line in lines(out, " ".join(cell), top=top, with_texts=with_texts):
        say(line)
