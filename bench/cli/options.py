"""The options of the command line, generated from the table of run arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import Field, fields, replace
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from bench.config.option import option_of
from bench.config.run_arguments import RunArguments
from bench.errors import UserError

Function = TypeVar("Function", bound=Callable[..., None])
Arguments = TypeVar("Arguments")


def option(name: str, **details: Any) -> Any:
    """The option of one run argument, for another command that has it too: name, help, panel and bounds.

    `details`: fields of `bench.config.option.Option` that differ there.
    """
    return typer_option({entry.name: entry for entry in fields(RunArguments)}[name], **details)


def typer_option(entry: Field[Any], **changes: Any) -> Any:
    """A field's option as typer describes it, with `changes` of its details."""
    details = replace(option_of(entry), **changes)
    note = " May be repeated." if details.repeatable else ""
    return typer.Option(
        f"--{details.name}",
        rich_help_panel=details.panel,
        help=(details.help + note).replace("[", r"\["),  # square brackets are markup to the help
        hidden=details.hidden,
        min=details.min,
        max=details.max,
    )


def refuse(context: typer.Context, names: Iterable[str], why: str) -> None:
    """Raise UserError if one of these parameters was given: `why` says what counts in its place."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")  # its type is in click, of which typer has its own
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            raise UserError(f"{why}; leave out {parameter.opts[0]}")


def takes_run_arguments(table: type = RunArguments, without: Collection[str] = ()) -> Callable[[Function], Function]:
    """Decorate a command `f(context, **arguments)`: typer gives it an option for every field but those of `without`.

    Further parameters of the command stay and come last.
    """

    def decorate(function: Function) -> Function:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        context, *rest = (parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own)
        wanted = [entry for entry in fields(table) if entry.name not in without]
        signature = inspect.Signature([context, *map(parameter_of(table), wanted), *rest])
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return decorate


def parameter_of(table: type) -> Callable[[Field[Any]], inspect.Parameter]:
    """A function that gives the parameter of a field, as typer reads it from a command."""
    hints = get_type_hints(table)

    def parameter(entry: Field[Any]) -> inspect.Parameter:
        details = option_of(entry)
        value_type: Any = details.type or hints[entry.name]
        default = entry.default
        if details.switch is not None:
            value_type, default = bool, False
        elif details.repeatable:
            value_type, default = list[value_type] | None, None
        annotation = Annotated[value_type, typer_option(entry)]
        return inspect.Parameter(entry.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    return parameter


def parsed_arguments(parsed: Mapping[str, Any], table: type[Arguments] = RunArguments) -> Arguments:  # type: ignore[assignment]
    """The run arguments among the parsed values of a command. Raises UserError for a malformed value."""
    values = {}
    for entry in fields(table):  # type: ignore[arg-type]  # of a dataclass
        details, value = option_of(entry), parsed[entry.name]
        if details.switch is not None:
            value = details.switch if value else entry.default
        elif details.repeatable:
            value = details.convert(value or ()) if details.convert else tuple(value or ())
        values[entry.name] = value
    return table(**values)
