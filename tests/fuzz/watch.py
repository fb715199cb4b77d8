"""Watches the actions of a reader in this process: what it writes, which processes and connections it starts.

Python's audit events name them. Code in C++ (pyarrow, safetensors) that writes files has no such event.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events that change paths: the places of the paths among the arguments, and of the folders that they are relative to.
CHANGES = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.utime": ((0, 3),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
}
FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "pickle.find_class",
)
OWN = (
    "/dev/null",
    "__pycache__",
)  # parts of paths that anything may write: modules are compiled when they are imported


class Watch:
    """While `on`, notes each action that a reader of files below `folder` should not do."""

    def __init__(self) -> None:
        self.folder = Path()
        self.on = False
        self.found: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook, which Python calls at every event and never removes."""
        if not self.on:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & WRITING:
                self.check(event, path)
        elif event in CHANGES:
            for path, base in CHANGES[event]:
                self.check(event, arguments[path], -1 if base is None else arguments[base])
        elif event in FORBIDDEN:
            self.found.append(f"{event} {arguments[:2]!r:.200}")

    def check(self, event: str, path: object, base: int = -1) -> None:
        """Note a path that is not below the folder; open files have numbers, which were paths before.

        `base`: the number of the open folder that the path is relative to; -1 for the current one.
        """
        if isinstance(path, str | bytes | os.PathLike):
            there = os.getcwd() if base < 0 else os.readlink(f"/proc/self/fd/{base}")
            place = os.path.abspath(os.path.join(there, os.fsdecode(path)))
            if not place.startswith(f"{self.folder}{os.sep}") and not any(part in place for part in OWN):
                self.found.append(f"{event} {place}")

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[None]:
        """Raise AssertionError if the body did something else than to read, or to write below `folder`."""
        self.folder, self.found, self.on = folder.resolve(), [], True
        try:
            yield
        finally:
            self.on = False
            if self.found:  # also of a reader that refuses its input
                raise AssertionError(f"a reader did this: {'; '.join(self.found)}")


WATCH = Watch()
