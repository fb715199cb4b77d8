"""Finds all methods, in the files of this package and in installed packages, and the members of groups."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from methods.base import Method
from methods.registry import METHODS

# Group -> method -> the hyper-parameters with which the method is in the group, if not its defaults. They are here and
# not in the method's file, whose code is in the ids of its cells.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "paper": {"focal": {"gamma": 1.0, "detach": True}},  # as in the released code of Kuo et al., ICLR 2025
}


def discover() -> dict[str, type[Method]]:
    """All methods by name, sorted, after importing every file of this package and the plugins that are installed.

    Raises `methods.plugins.PluginError` for an installed package that cannot be used.
    """
    package = importlib.import_module("methods")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"methods.{module.name}")
    importlib.import_module("methods.plugins").installed()
    return dict(sorted(METHODS.items()))


def group(name: str) -> dict[str, Mapping[str, Any]]:
    """The methods in a group, `all` or one that methods declare, sorted, with their settings in it.

    Empty for an unknown group.
    """
    settings = SETTINGS.get(name, {})
    return {key: settings.get(key, {}) for key, cls in discover().items() if name == "all" or name in cls.groups}


def group_names() -> list[str]:
    """The names of all groups, `all` first."""
    declared = {entry for cls in discover().values() for entry in cls.groups}
    return ["all", *sorted(declared)]
