"""A grid as a file: `--config grid.yaml` holds the options of `bench run` by their names and can be committed.

methods: [ce, dimp, "dimp(clip=20)"]
tasks: twitter
seeds: 5
lr: 1e-4              # any training setting, or a method's hyper-parameter as `dimp.clip`
set: {updates: 96}    # the same, in a mapping
engine_set: {time: 60}
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.cli.common import hyphenated
from bench.config.option import option_of
from bench.config.run_arguments import RunArguments
from bench.errors import UserError, unknown
from tasks.errors import short_repr
from tasks.strict_yaml import read_yaml

SET = "set"
LABELS = ("drop-labels",)  # options whose values are words of the user's: `None` is a label
REPEATED = [option_of(entry).name for entry in fields(RunArguments) if option_of(entry).repeatable]
PAIRS = [option_of(entry).name for entry in fields(RunArguments) if option_of(entry).convert]


def read(path: Path, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Names and values of a file as options have them; `known` are the names it may hold, besides those with a dot.

    Raises UserError for another name or a file that holds no mapping, DataError for one that is missing or not YAML.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: a grid is a mapping of option names to values, not {kind(content)}")
    settings = content.pop(SET, None) or {}
    if not isinstance(settings, dict):
        raise UserError(f"{path}: {SET} is a mapping of settings to values, not {kind(settings)}")
    for key, value in [*content.items(), *settings.items()]:
        name = hyphenated(str(key))
        if name in LABELS and value is None:
            continue
        if "." not in name and name not in known:
            raise unknown(f"key in {path}:", name, known)
        if name in PAIRS and isinstance(value, dict):
            value = [f"{one}={text(part, f'{path}: {key}: {one}')}" for one, part in value.items()]
        values = value if name in REPEATED and isinstance(value, list) and value else [value]
        yield from ((name, text(one, f"{path}: {key}")) for one in values)


def text(value: Any, where: str) -> str:
    """A YAML value as text; the entries of a list are joined by commas."""
    if isinstance(value, list) and value and not any(isinstance(entry, list | dict) for entry in value):
        return ",".join(map(str, value))
    if isinstance(value, list | dict):
        raise UserError(f"{where} takes a value or a list of values, not {short_repr(value)}")
    return str(value)


def kind(value: Any) -> str:
    """The type of a YAML value that is no mapping, in words."""
    return {list: "a list", type(None): "nothing"}.get(type(value), short_repr(value))
