"""Fields of dataclasses as options of the command line and keywords of a Python function."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any, TypeVar

Table = TypeVar("Table")

# The panels of the help, in the order in which it shows them.
GRID, DATA, TRAINING, RUN, OUTPUT, PLAN = "Grid", "Data", "Training", "Run", "Output", "Plan"


@dataclass(frozen=True)
class Option:
    """How a field is written on the command line."""

    panel: str
    help: str
    name: str = ""  # without leading dashes; empty: the field's name with hyphens
    type: Any = None  # of the value on the command line; None: the field's type
    repeatable: bool = False  # each use of the option adds one value
    switch: Any = None  # of an option without a value: the field's value if the option is present
    per_role: bool = False  # whether each role of the user's rows has a field of its own too, see `with_roles`
    hidden: bool = False  # whether the help leaves it out
    convert: Callable[[Any], Any] | None = None  # from the value on the command line to that of the field
    min: float | None = None
    max: float | None = None


# `tasks.roles.ROLES`, of which a test checks that they are the same: `import bench` must work where a file hides
# the package `tasks`, which `bench.__main__` reports.
ROLES = ("generated", "real", "test")


def option(panel: str, help: str, **details: Any) -> dict[str, Option]:
    """The metadata of a field; `details` are further fields of `Option`."""
    return {"option": Option(panel, help, **details)}


def with_roles(table: type[Table]) -> type[Table]:
    """Give a class, before it becomes a dataclass, a field per role for each of its fields with `per_role`."""
    annotations = {}
    for name, hint in table.__annotations__.items():
        annotations[name] = hint
        details: Option = vars(table)[name].metadata["option"]
        if not details.per_role:
            continue
        for role in ROLES:
            annotations[f"{role}_{name}"] = hint
            own = replace(details, help=f"As {name}, for the {role} rows alone.", per_role=False, hidden=True)
            setattr(table, f"{role}_{name}", field(default=None, metadata={"option": own}))
        roles = ", ".join(f"--{role}-{name.replace('_', '-')}" for role in ROLES)
        metadata = {"option": replace(details, help=f"{details.help} For one role: {roles}.")}
        setattr(table, name, field(default=None, metadata=metadata))
    table.__annotations__ = annotations
    return table


def option_of(entry: Field[Any]) -> Option:
    """How a field is written on the command line, its name filled in."""
    details: Option = entry.metadata["option"]
    return details if details.name else replace(details, name=entry.name.replace("_", "-"))


def key_values(texts: Sequence[str], name: str = "--set") -> dict[str, str]:
    """`key=value` texts as a dict. Raises UserError for a text without a value and for a repeated key."""
    # Imported late: `import bench` must work where a file hides the package `tasks`, which `bench.__main__` reports.
    from bench.errors import UserError
    from tasks.errors import short_repr

    values: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key or not value:
            raise UserError(f"{name} {short_repr(text)} is not key=value")
        if name == "--set" and "." not in key:
            key = key.replace("-", "_")  # of a setting, which has two spellings
        if key in values:
            raise UserError(f"{name} {short_repr(key)} is given twice")
        values[key] = value
    return values


def engine_values(texts: Sequence[str]) -> dict[str, str] | None:
    """`key=value` texts of --engine-set, see `key_values`; None without any."""
    return key_values(texts, "--engine-set") or None


def keywords(table: type) -> list[inspect.Parameter]:
    """The arguments as parameters of a Python function: methods and tasks also by position, the rest by keyword."""
    by_position = ("methods", "tasks")
    return [
        inspect.Parameter(
            entry.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if entry.name in by_position else inspect.Parameter.KEYWORD_ONLY,
            default=entry.default,
            annotation=entry.type,
        )
        for entry in fields(table)
    ]


def described(table: type) -> str:
    """The arguments as indented lines of a docstring: keyword, option, help."""
    wrapper = textwrap.TextWrapper(110, initial_indent="    ", subsequent_indent=8 * " ", break_on_hyphens=False)
    return "\n".join(
        wrapper.fill(f"{entry.name} (--{option_of(entry).name}): {option_of(entry).help}")
        for entry in fields(table)
        if not option_of(entry).hidden
    )
