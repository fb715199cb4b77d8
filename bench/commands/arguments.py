"""Turns the arguments of a run into the request, the options of its execution and the rules of its report.

`bench run` and `bench.run` both use this module, so their arguments have the same names and meanings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from bench.config.request import Request, is_number, make_request
from bench.config.run_arguments import ExecutionArguments, RunArguments, VerdictArguments
from bench.config.typed import convert
from bench.errors import UserError, unknown
from bench.leaderboard.rules import CHOICES, Rules
from bench.remote.opened import checkers_of, local_folder
from bench.store.layout import SavedModels
from tasks.errors import user_path

if TYPE_CHECKING:
    from bench.execution.grid import Options

NUMBERS = (int, int | None, float, float | None)  # types of arguments


def run_arguments(keywords: Mapping[str, Any]) -> RunArguments:
    """The arguments with the values of some keywords. Numbers may be text or of numpy, as the command line has text.

    Raises UserError for an unknown keyword, naming the nearest, and for a number that is none.
    """
    known = [entry.name for entry in fields(RunArguments)]
    for name in keywords:
        if name not in known:
            raise unknown("argument", name, known)
    values = dict(keywords)
    for name, hint in get_type_hints(RunArguments).items():
        if hint in NUMBERS and (value := keywords.get(name)) is not None:
            values[name] = convert(int(value) if is_number(value) else value, hint, name)
    return RunArguments(**values)


def request_and_options(arguments: RunArguments, command: str) -> tuple[Request, Options]:
    """The grid that the arguments describe, and how to run it. `command` is what was typed, for the report.

    A checker may be named by a cell of the store. Raises UserError for a value out of range, and what `make_request`
    raises.
    """
    from bench.execution.grid import Options  # commands on results need no engines

    if arguments.save_models not in (None, *get_args(SavedModels)):
        raise unknown("save_models", str(arguments.save_models), get_args(SavedModels))
    if arguments.workers is not None and arguments.workers < 1:
        raise UserError(f"workers must be at least 1, not {arguments.workers}")
    execution = {entry.name: getattr(arguments, entry.name) for entry in fields(ExecutionArguments)}
    execution |= {"out": local_folder(execution["out"]), "reports": user_path(execution["reports"])}
    options = Options(**execution, command=command, rules=rules(arguments))
    checkers = {name: getattr(arguments, name) for name in ("quality_checker", "diversity_checker")}
    return make_request(arguments, **checkers_of(checkers, options.out)), options


def rules(arguments: VerdictArguments) -> Rules:
    """The rules of a report; points become a share. Raises UserError."""
    if not isinstance(arguments.delta, int | float) or not arguments.delta >= 0:
        raise UserError(f"delta must be a number of points, 0 or more, not {arguments.delta!r}")
    for name, choices in CHOICES.items():
        if getattr(arguments, name) not in choices:
            raise unknown(name, str(getattr(arguments, name)), choices)
    given = {entry.name: getattr(arguments, entry.name) for entry in fields(Rules)}
    return Rules(**given | {"delta": arguments.delta / 100})
