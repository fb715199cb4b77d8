"""Finds all methods: those in the files of this package, and those of installed packages."""

from __future__ import annotations

import importlib
import pkgutil

from methods.base import Method
from methods.registry import METHODS


def discover() -> dict[str, type[Method]]:
    """All methods by name, sorted, after importing every file of this package and the plugins that are installed.

    Raises `methods.plugins.PluginError` for an installed package that cannot be used.
    """
    package = importlib.import_module("methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"methods.{module.name}")
    importlib.import_module("methods.plugins").installed()
    return dict(sorted(METHODS.items()))


def group(name: str) -> list[str]:
    """The sorted names of the methods in a group: `all`, or one that methods declare. Empty for an unknown group."""
    return [key for key, cls in discover().items() if name == "all" or name in cls.groups]


def group_names() -> list[str]:
    """The names of all groups, `all` first."""
    declared = {entry for cls in discover().values() for entry in cls.groups}
    return ["all", *sorted(declared)]
