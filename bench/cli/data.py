"""Commands on data before a run: `validate`, `generate`, `init`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from bench.cli.common import INTERRUPTED, print_all, say
from bench.cli.options import option, parsed_arguments, takes_run_arguments
from bench.config.grid_arguments import DataArguments
from bench.generate.arguments import GenerateArguments


class Starter(StrEnum):
    """The folders that `init` copies."""

    SWEEPS = "sweeps"


@takes_run_arguments(DataArguments)
def validate(
    context: typer.Context,
    tasks: Annotated[str | None, typer.Argument(help="Names or paths, as in run --tasks.", show_default=False)] = None,
    encoder: Annotated[
        str | None, typer.Option(help="The encoder whose tokenizer counts the tokens (default: the preset's).")
    ] = None,
    preset: Annotated[str, typer.Option(help="The preset whose maximum length decides which texts are cut.")] = "quick",
    settings: Annotated[list[str] | None, option("settings")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the row numbers of all findings.")] = False,
    **arguments: Any,
) -> None:
    """Show the data of a task, what is doubtful about them, and a verdict.

    That is: columns, roles, sizes, label shares, words, near duplicates, conflicting labels and lengths in tokens.
    """
    import json

    from bench.commands.data.validate import validate as lines
    from bench.commands.data.validate import validate_json
    from bench.config.option import key_values
    from bench.config.request import make_request

    changes = {"tasks": tasks, "encoder": encoder, "preset": preset, "settings": key_values(settings or ())}
    request = make_request(methods="ce", **changes, **vars(parsed_arguments(context.params, DataArguments)))
    if as_json:
        say(json.dumps({"tasks": validate_json(request)}, indent=1, allow_nan=False))
        return
    print_all(lines(request))


@takes_run_arguments(GenerateArguments)
def generate(context: typer.Context, **arguments: Any) -> None:
    """Write a file of labelled texts with a language model, for `bench run --generated`.

    The same command continues a run that was stopped or killed. The key of a server comes from OPENAI_API_KEY alone.
    """
    from bench.commands.data.generate import generate as generate_rows

    try:
        complete = generate_rows(parsed_arguments(context.params, GenerateArguments), say)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if not complete:
        raise typer.Exit(1)


def init(
    what: Annotated[Starter, typer.Argument(help="W&B sweeps, grids and recipes, into ./sweeps.")],
) -> None:
    """Copy files that come with the package into the working directory, to be edited and run."""
    from bench.commands.data import init

    print_all({Starter.SWEEPS: init.sweeps}[what]())
