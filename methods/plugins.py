"""Methods from outside this package: a file that the user names, or an installed package with an entry point.

[project.entry-points."data_weighting_bench.methods"]
mine = "my_package.methods"
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
import traceback
import zlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from methods.base import Method
from methods.registry import METHODS

GROUPS = ("data_weighting_bench.methods", "counterweight.methods")  # the second is the former name
_files: dict[str, Path] = {}  # module name -> the file that was loaded under it


class PluginError(ValueError):
    """A file or package of methods that cannot be used; the message is one line for the user."""


@functools.cache
def installed() -> tuple[EntryPoint, ...]:
    """Import the modules that packages offer, and return their entry points. Raises PluginError."""
    # A package that serves old and new versions offers the same module in both groups: it counts once.
    offered = {(entry.name, entry.value): entry for group in GROUPS for entry in entry_points(group=group)}
    entries = tuple(offered[key] for key in sorted(offered))
    for entry in entries:
        try:
            importlib.import_module(entry.module)
            check_names()
        except (Exception, SystemExit) as error:
            package = entry.dist.name if entry.dist else "?"
            raise PluginError(f"package {package} offers methods in {entry.module}: {reason(error)}") from error
    return entries


def load_file(path: Path) -> None:
    """Import a file of methods, once in a process. Raises PluginError, after which nothing of it is registered."""
    path = Path(os.path.realpath(path.expanduser()))
    if not path.is_file() or path.suffix != ".py":
        raise PluginError(f"plugin {path}: {'not a .py file' if path.exists() else 'no such file'}")
    name = f"counterweight_plugin_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    if name in _files:
        return
    before = dict(METHODS)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, "a .py file has a loader"  # noqa: PT018
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        check([cls for key, cls in METHODS.items() if key not in before])
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        METHODS.clear()
        METHODS.update(before)
        raise PluginError(f"plugin {path}{line(error, path)}: {reason(error)}") from error
    _files[name] = path


def check(added: list[type[Method]]) -> None:
    """Raise ValueError where a file's methods could not run."""
    if not added:
        raise ValueError('it registers no method; decorate a class with @register("name")')
    check_names()
    for cls in added:
        if inspect.isabstract(cls):
            raise ValueError(f"method {cls.name!r} lacks {', '.join(sorted(cls.__abstractmethods__))}")
        cls(cls.Config())


def check_names() -> None:
    """Raise ValueError where a method and a group have one name: the group would hide the method."""
    groups = {"all", *(entry for cls in METHODS.values() for entry in cls.groups)}
    if both := sorted(groups & METHODS.keys()):
        raise ValueError(f"{both[0]!r} would be the name of a method and of a group; rename one")


def file_of(cls: type[Method]) -> Path | None:
    """The plugin that defines a method, None for one that every process finds by itself."""
    return _files.get(cls.__module__)


def findable(cls: type[Method]) -> bool:
    """Whether another process can find a method: in this package, a plugin, or a package with an entry point."""
    packages = {"methods", *(entry.module.partition(".")[0] for entry in installed())}
    return cls.__module__.partition(".")[0] in packages or file_of(cls) is not None


def reason(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def line(error: BaseException, path: Path) -> str:
    """Where in a file an exception arose."""
    number = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        number = frame.lineno if Path(frame.filename) == path else number
    return f", line {number}" if number else ""
