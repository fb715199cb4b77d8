"""The registry of methods: filled by the decorator, found by importing the package's files and what others offer."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable

from methods.base import Method

METHODS: dict[str, type[Method]] = {}


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: make a method known under `name`: lower case with hyphens, and taken once."""
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


def discover() -> dict[str, type[Method]]:
    """Import every file of this package, and what installed packages offer; the registry by name, sorted.

    Raises `methods.plugins.PluginError` for an installed package that cannot be used.
    """
    package = importlib.import_module("methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"methods.{module.name}")
    importlib.import_module("methods.plugins").installed()
    return dict(sorted(METHODS.items()))


def group(name: str) -> list[str]:
    """The names in a group (`all`, or one that methods declare), sorted; empty if there is none."""
    return [key for key, cls in discover().items() if name == "all" or name in cls.groups]


def groups() -> list[str]:
    """The names of all groups."""
    declared = {entry for cls in discover().values() for entry in cls.groups}
    return ["all", *sorted(declared)]
