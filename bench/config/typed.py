"""Typed configurations: a frozen dataclass from text options, and its label in reports."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bench.config.settings import NONE
from bench.errors import UserError, unknown
from tasks.errors import short_repr

Config = TypeVar("Config")


def build(cls: type[Config], values: Mapping[str, Any], owner: str, base: Config | None = None) -> Config:
    """A frozen config: values converted to the types of their fields, the rest from `base` or the defaults.

    Raises UserError for an unknown field (naming the nearest), a value of the wrong type, or one out of range.
    """
    hints = get_type_hints(cls)
    known = [entry.name for entry in fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise unknown(f"setting of {owner}", key, known)
    start = {} if base is None else {name: getattr(base, name) for name in known}
    converted = {key: convert(value, hints[key], f"{owner}: {key}") for key, value in values.items()}
    try:
        return cls(**{**start, **converted})
    except ValueError as error:
        raise UserError(f"{owner}: {error}") from error


def convert(value: Any, hint: Any, where: str) -> Any:
    """A scalar converted to the annotated type. Text `None` (in any case) is None where the type allows None."""
    from pydantic import TypeAdapter, ValidationError

    if isinstance(value, str) and value.lower() in NONE and optional(hint):
        return None
    if isinstance(value, bool) and hint is not bool and not optional_of(hint, bool):
        raise UserError(f"{where} must be {spell(hint)}, not {short_repr(value)}")
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        raise UserError(f"{where} must be {spell(hint)}, not {short_repr(value)}") from error


def optional_of(hint: Any, member: Any) -> bool:
    """Whether a type is a union that includes `member`."""
    return get_origin(hint) in (Union, types.UnionType) and member in get_args(hint)


def optional(hint: Any) -> bool:
    """Whether the type allows None."""
    return optional_of(hint, type(None))


def spell(hint: Any) -> str:
    """A type in words for an error message."""
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(spell(member) for member in get_args(hint))
    if get_args(hint):
        return "one of " + ", ".join(map(str, get_args(hint)))
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "text", type(None): "none"}
    return names.get(hint, str(hint))


def label(name: str, config: Any) -> str:
    """A configuration as reports write it: the name with the options that differ from their defaults."""
    changed = {
        entry.name: getattr(config, entry.name)
        for entry in fields(config)
        if getattr(config, entry.name) != entry.default
    }
    return f"{name}({','.join(f'{key}={value}' for key, value in changed.items())})" if changed else name
