"""Methods from outside this package: a file that the user names, or an installed package with an entry point.

[project.entry-points."data_weighting_bench.methods"]
mine = "my_package.methods"
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import traceback
import zlib
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from methods.base import Method
from methods.declarations import fault
from methods.registry import METHODS

GROUPS = ("data_weighting_bench.methods", "counterweight.methods")  # the second is the former name
_files: dict[str, tuple[Path, bytes]] = {}  # module name -> the file that was loaded under it, and its content


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
            check([cls for cls in METHODS.values() if package_of(cls) == entry.module.partition(".")[0]])
        except (Exception, SystemExit) as error:
            package = entry.dist.name if entry.dist else "?"
            raise PluginError(f"package {package} offers methods in {entry.module}: {reason(error)}") from error
    return entries


def load_file(path: Path, *, anew: bool = False) -> None:
    """Import a file of methods once in a process; `anew`: again, if it was edited since.

    A worker keeps what its run began with. Raises PluginError, after which nothing of the file is registered.
    """
    path = Path(os.path.realpath(path.expanduser()))
    if not path.is_file() or path.suffix != ".py":
        raise PluginError(f"plugin {path}: {'not a .py file' if path.exists() else 'no such file'}")
    name = f"counterweight_plugin_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    content = path.read_bytes()
    if name in _files and (not anew or _files[name][1] == content):
        return
    for key in [key for key, cls in METHODS.items() if cls.__module__ == name]:
        del METHODS[key]
    before = dict(METHODS)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        # What was read is run: the loader takes compiled code for that of a file which was edited in the same second.
        exec(compile(content, path, "exec", dont_inherit=True), module.__dict__)
        if not (added := [cls for key, cls in METHODS.items() if key not in before]):
            raise ValueError('it registers no method; decorate a class with @register("name")')
        check(added)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        _files.pop(name, None)
        METHODS.clear()
        METHODS.update(before)
        raise PluginError(f"plugin {path}{line(error, path)}: {reason(error)}") from error
    _files[name] = path, content


def check(added: list[type[Method]]) -> None:
    """Raise ValueError where methods could not run."""
    check_names()
    for cls in added:
        if problem := fault(cls):
            raise ValueError(f"method {cls.name!r}: {problem}")


def check_names() -> None:
    """Raise ValueError where a method and a group have one name: the group would hide the method."""
    groups = {"all", *(entry for cls in METHODS.values() for entry in cls.groups)}
    if both := sorted(groups & METHODS.keys()):
        raise ValueError(f"{both[0]!r} would be the name of a method and of a group; rename one")


def file_of(cls: type[Method]) -> Path | None:
    """The plugin that defines a method, None for one that every process finds by itself."""
    return _files[cls.__module__][0] if cls.__module__ in _files else None


def package_of(cls: type[Method]) -> str:
    """The outermost package of the module that defines a method."""
    return cls.__module__.partition(".")[0]


def findable(cls: type[Method]) -> bool:
    """Whether another process can find a method: in this package, a plugin, or a package with an entry point."""
    packages = {"methods", *(entry.module.partition(".")[0] for entry in installed())}
    return package_of(cls) in packages or file_of(cls) is not None


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
