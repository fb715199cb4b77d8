"""What others may see of a call: commands and addresses as reports, messages and trackers show them.

Rows in memory are shown by their type. The setup line of SLURM, which may hold a key, and the user name and password of
an address are left out.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence, Set
from typing import Any

CALL = "bench.run("  # begins a call from Python
ROLES = ("generated", "real", "test")  # the arguments that may be rows
SETUP, LEFT_OUT = "setup", "(left out)"
SETUP_LINE = re.compile(rf"(\b{SETUP}\s*=).*", re.DOTALL)
# Rows and setup lines as calls of earlier versions have them, with all that follows.
FORMER = re.compile(rf"(\b(?:{'|'.join(ROLES)})=(?=\(?\{{)|'{SETUP}': (?!'{re.escape(LEFT_OUT)}')).*", re.DOTALL)


def words(arguments: Sequence[str]) -> list[str]:
    """The words of a command line without what may be secret."""
    from tasks.errors import without_password  # late: `import bench` must work where a file hides the package `tasks`

    return [without_password(SETUP_LINE.sub(rf"\1{LEFT_OUT}", word)) for word in arguments]


def command_line(arguments: Sequence[str]) -> str:
    """The command with these arguments, as a shell reads it."""
    return shlex.join(["python", "-m", "bench", *words(arguments)])


def call(methods: Any, tasks: Any, arguments: Mapping[str, Any]) -> str:
    """The call of `bench.run` with these arguments."""
    named = (f"{name}={argument(name, given)}" for name, given in arguments.items())
    return f"{CALL}{', '.join([value(methods), value(tasks), *named])})"


def argument(name: str, given: Any) -> str:
    """The value of an argument; of rows that are no files only their type."""
    places = given if isinstance(given, list | tuple) else (given,)
    if name in ROLES and not all(place is None or isinstance(place, str | os.PathLike) for place in places):
        return f"<{type(given).__name__}>"
    return value(given)


def value(given: Any) -> str:
    """A value as Python writes it, arrays and tuples as lists; of an object only its type."""
    given = given.tolist() if hasattr(given, "tolist") else given
    if isinstance(given, str):
        return repr(*words([str(given)]))
    if isinstance(given, Mapping):
        pairs = (f"{key!r}: {value(LEFT_OUT if key == SETUP else entry)}" for key, entry in given.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(given, list | tuple | Set):
        return f"[{', '.join(map(value, given))}]"
    return repr(given) if isinstance(given, int | float | range | os.PathLike | None) else f"<{type(given).__name__}>"


def stored_command(command: str) -> str:
    """A command of a manifest. Earlier versions wrote rows and setup lines into it, which are left out."""
    if command.startswith(CALL):
        return FORMER.sub(rf"\1{LEFT_OUT})", command)
    try:
        return shlex.join(words(shlex.split(command)))
    except ValueError:  # written by hand
        return command
