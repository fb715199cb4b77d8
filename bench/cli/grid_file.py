"""A grid as a file: `--config grid.yaml` holds the options of `bench run` by their names, so that it can be committed.

    methods: [ce, dimp, "dimp(clip=20)"]
    tasks: twitter
    seeds: 5
    lr: 1e-4              # any training setting, or a method's hyper-parameter as `dimp.clip`
    set: {updates: 96}    # the same, gathered

What is also given on the command line is taken from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from tasks.strict_yaml import read_yaml

OPTION = "config"
SET = "set"
REPEATED = ("plugin",)  # options that are given once for each value
OTHER_WORD = {"seed": "seeds", "seeds": "seed"}  # one on the command line overrules the other in the file


def expand(argv: Sequence[str], known: Collection[str]) -> list[str]:
    """The arguments with `--config FILE` replaced by what the file says and the command line does not.

    `known` are the names that a file may have, besides those with a dot. Raises UserError for any other and for what
    is no mapping, DataError for a file that is not there or not YAML.
    """
    arguments = list(argv)
    for place, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == f"--{OPTION}" and (equals or place + 1 < len(arguments)):
            path = Path(value if equals else arguments[place + 1])
            rest = arguments[place + (1 if equals else 2) :]
            given = set(names([*arguments[:place], *rest]))
            entries = [f"--{key}={text}" for key, text in read(path, known) if key not in given]
            return [*arguments[:place], *entries, *rest]
    return arguments


def names(argv: Sequence[str]) -> Iterator[str]:
    """The names that a command line gives values to, with hyphens; `--set key=value` gives one to `key`."""
    rest = iter(argv)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == f"--{SET}":
            name = "--" + (value if equals else next(rest, "")).partition("=")[0]
        if name.startswith("--"):
            word = hyphenated(name[2:])
            yield from {word, OTHER_WORD.get(word, word)}


def hyphenated(name: str) -> str:
    """A name as options are written."""
    return name.strip().replace("_", "-")


def read(path: Path, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names and values of a file as options would have them."""
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: a grid is a mapping of option names to values, not {kind(content)}")
    gathered = content.pop(SET, None) or {}
    if not isinstance(gathered, dict):
        raise UserError(f"{path}: {SET} is a mapping of settings to values, not {kind(gathered)}")
    for key, value in [*content.items(), *gathered.items()]:
        name = hyphenated(str(key))
        if "." not in name and name not in known:
            raise unknown(f"key in {path}:", name, [*known, SET])
        repeated = value if name in REPEATED and isinstance(value, list) and value else [value]
        yield from ((name, text(one, f"{path}: {key}")) for one in repeated)


def text(value: Any, where: str) -> str:
    """A YAML value as an option has it: a list by commas."""
    if isinstance(value, list) and value and not any(isinstance(entry, list | dict) for entry in value):
        return ",".join(map(str, value))
    if isinstance(value, list | dict):
        raise UserError(f"{where} takes a value or a list of values, not {value!r}")
    return str(value)


def kind(value: Any) -> str:
    """What a YAML holds instead, in words."""
    return {list: "a list", type(None): "nothing"}.get(type(value), f"{value!r}")
