"""Gives the functions of a module that is imported already the code of a changed source.

Whoever imported a function before keeps it, and runs the changed code. So nothing has to be imported again.
"""

from __future__ import annotations

import functools
import sys
from types import FunctionType, ModuleType
from typing import Any

from methods.registry import METHODS

PLAIN = (int, float, str, bool, tuple, frozenset, dict, list, type(None))  # constants, which are replaced
PACKAGES = ("bench", "methods", "tasks", "tests")  # whose modules may have imported a constant


def transplant(module: ModuleType, source: str) -> None:
    """Make a module behave as `source`, which has the same functions and classes."""
    known = {name: method for name, method in METHODS.items() if method.__module__ == module.__name__}
    for name in known:
        del METHODS[name]
    changed: dict[str, Any] = {**vars(module)}
    try:
        exec(compile(source, str(module.__file__), "exec"), changed)
    finally:
        METHODS.update(known)
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType | type) and value.__module__ != module.__name__:
            continue
        if name.startswith("__") or replaced(value, changed[name]):
            continue
        for user in constant_users(name, value):
            setattr(user, name, changed[name])


def constant_users(name: str, value: object) -> list[ModuleType]:
    """The modules of this project that have a constant under its name."""
    ours = [user for user in list(sys.modules.values()) if getattr(user, "__name__", "").split(".")[0] in PACKAGES]
    return [user for user in ours if vars(user).get(name) is value]


def replaced(old: Any, new: Any) -> bool:
    """Give a function, or each function of a class, the code of another one. False for a constant."""
    if isinstance(old, property):
        for one, other in ((old.fget, new.fget), (old.fset, new.fset)):
            replaced(one, other)
    elif isinstance(old, functools.cached_property):
        replaced(old.func, new.func)
    elif isinstance(old, classmethod | staticmethod):
        replaced(old.__func__, new.__func__)
    elif hasattr(old, "__wrapped__"):
        replaced(old.__wrapped__, new.__wrapped__)
    elif isinstance(old, FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        for one, other in zip(old.__closure__ or (), new.__closure__ or (), strict=True):
            if isinstance(one.cell_contents, FunctionType):
                replaced(one.cell_contents, other.cell_contents)
    elif isinstance(old, type):
        for name, value in list(vars(old).items()):
            own = name in vars(new) and (not name.startswith("__") or isinstance(value, FunctionType))
            if own and not replaced(value, vars(new)[name]):
                setattr(old, name, vars(new)[name])
    else:
        return not isinstance(old, PLAIN) or old == new
    return True
