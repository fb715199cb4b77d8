"""Rewrites the arguments that people and W&B agents type into those that the parser reads.

Agents send `--train_layers=2`, `--dry-run=True`, `--tasks=['a', 'b']`, `--seed=None` and `--dimp.clip=20`. The known
options, and which of them take no value, come from the parser.
"""

from __future__ import annotations

import ast
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bench.cli import grid_file
from bench.cli.common import hyphenated
from bench.config.settings import Settings
from bench.errors import UserError
from bench.remote.addresses import refuse_host
from tasks.errors import user_path

CONFIG, SET = "config", "set"
# Options whose values add up where they are typed several times.
ADDED = ("methods", "tasks", "seed", "encoder", "protocol", "labels", "drop-labels", "track")
PLACES = ("out", "reports", "to", "from", "config", "data-dir")  # options with a path, in which `~` is the home folder
SEVERAL = ("from",)  # options that take several values in a row: `--from a b`
SAME_AXIS = {"seed": "seeds", "seeds": "seed"}  # a typed one overrules the other one of a file
SETTINGS = tuple(hyphenated(entry.name) for entry in fields(Settings))  # may be written as options: `--lr`
TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "none": False}


@dataclass(frozen=True)
class Argument:
    """An option with its value, or a value that stands alone, whose name is empty."""

    name: str  # with hyphens and without dashes in front
    value: str | None = None  # None: the option was typed without a value

    @property
    def sets(self) -> set[str]:
        """The names of the options and settings that the argument sets: of `--set lr=1`, `lr`."""
        name = hyphenated((self.value or "").partition("=")[0]) if self.name == SET else self.name
        return {name, SAME_AXIS.get(name, name)}

    def words(self, flags: Collection[str], *, settings: bool = True) -> list[str]:
        """The argument as the parser reads it; a value None leaves an option out, so that it keeps its default.

        `settings`: whether the command takes training settings.
        """
        if not self.name:
            return [self.value or ""]
        if settings and ("." in self.name or self.name in SETTINGS):
            return [f"--{SET}={self.name}={self.value or ''}"]
        if self.value is None:
            return [f"--{self.name}"]
        if self.name in flags and self.value.lower() in TRUTH:
            return [f"--{self.name}"] if TRUTH[self.value.lower()] else []
        if self.value in ("None", "null") and self.name not in grid_file.LABELS:
            return []
        value = without_brackets(self.value)
        return [f"--{self.name}={user_path(value) if self.name in PLACES and value.startswith('~') else value}"]


def canonical(argv: Sequence[str], commands: Any) -> list[str]:
    """The arguments as the parser of the `commands` reads them, `--config FILE` replaced by the options in the file.

    Typed options overrule those of the file. Raises UserError and DataError for a file that cannot be used.
    """
    flags, settings = flags_of(commands), takes_settings(argv, commands)
    valued, arguments = valued_of(commands), added_up(split(argv, flags))
    require_values(arguments, valued)
    typed = set[str]().union(*(argument.sets for argument in arguments))
    words: list[str] = []
    for argument in arguments:
        refuse_host(argument.value or "")
        if argument.name == CONFIG and argument.value:
            path = user_path(argument.value)
            options = [Argument(*entry) for entry in grid_file.read(path, keys_of(commands))]
            require_values(options, valued, f"{path}: ")
            words += (word for option in options if option.name not in typed for word in option.words(flags))
        else:
            words += argument.words(flags, settings=settings)
    return words


def takes_settings(argv: Sequence[str], commands: Any) -> bool:
    """Whether the command takes training settings; words without a command are those of `run`."""
    command = commands.commands.get(argv[0] if argv else "")
    options = [name for entry in command.params for name in entry.opts] if command is not None else []
    return command is None or f"--{SET}" in options or command.context_settings.get("allow_extra_args", False)


def added_up(arguments: Iterable[Argument]) -> list[Argument]:
    """The arguments in order; repeated options of `ADDED` become one, with their values separated by commas."""
    result: list[Argument] = []
    places: dict[str, int] = {}
    for argument in arguments:
        if argument.name in places and argument.value:
            first = result[places[argument.name]]
            both = ",".join(without_brackets(one.value or "") for one in (first, argument))
            result[places[argument.name]] = Argument(argument.name, both)
            continue
        if argument.name in ADDED and argument.value:
            places[argument.name] = len(result)
        result.append(argument)
    return result


def split(argv: Sequence[str], flags: Collection[str]) -> Iterator[Argument]:
    """The arguments one by one, each option with its value."""
    words, several = deque(argv), ""
    while words:
        word = words.popleft()
        name, equals, text = word.partition("=")
        if word == "--":  # ends the options
            yield from (Argument("", value) for value in (word, *words))
            return
        if not name.startswith("--"):
            yield Argument(several, word)
            continue
        name, value = hyphenated(name), text if equals else None
        if not equals and name not in flags and words and not words[0].startswith("--"):
            value = words.popleft()
        several = name if name in SEVERAL else ""
        yield Argument(name, value)


def require_values(arguments: Iterable[Argument], valued: Collection[str], where: str = "") -> None:
    """Raise UserError for an option without its value, which the parser would take from the next option."""
    for argument in arguments:
        if argument.name in valued and not (argument.value or "").strip():
            option = argument.name if where else f"--{argument.name}"
            raise UserError(f"{where}{option} is empty; leave it out, or give it a value")


def valued_of(commands: Any) -> set[str]:
    """The options that take a value in every command that has them."""
    options = [entry for command in commands.commands.values() for entry in command.params]
    return {hyphenated(name) for entry in options for name in entry.opts if name.startswith("--")} - flags_of(commands)


def flags_of(commands: Any) -> set[str]:
    """The options of all commands that take no value."""
    options = [entry for command in commands.commands.values() for entry in command.params]
    return {"help", *(hyphenated(name) for entry in options if getattr(entry, "is_flag", False) for name in entry.opts)}


def keys_of(commands: Any) -> list[str]:
    """The keys of a `--config` file: the options of `run` except --config itself, and the training settings."""
    names = [hyphenated(name) for entry in commands.commands["run"].params for name in entry.opts]
    return [*(name for name in names if name not in ("help", CONFIG)), *SETTINGS]


def without_brackets(value: str) -> str:
    """A Python list in text (`['a', 'b']`) as `a,b`; anything else as it is, such as a folder of the name `[1]`."""
    if not (value.startswith("[") and value.endswith("]")) or os.path.exists(value):
        return value
    try:
        return ",".join(map(str, ast.literal_eval(value)))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # whatever Python says of what is no list
        return value
