"""The registry of methods, `METHODS`, and the class decorator `register` that adds a method to it."""

from __future__ import annotations

import re
from collections.abc import Callable

from methods.base import Method

METHODS: dict[str, type[Method]] = {}


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: add a method under `name`: lower case with hyphens, or ValueError; a name can be used once."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"a method's name is written in lower case with hyphens, not {name!r}")

    def add(cls: type[Method]) -> type[Method]:
        known = METHODS.get(name)
        if known is not None:
            raise ValueError(f"method {name!r} is registered twice: {known.__module__} and {cls.__module__}")
        cls.name = name
        METHODS[name] = cls
        return cls

    return add
