"""Helpers of all commands: names as options are written, the command as it was typed, printing."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

from bench.execution.signals import unhandled
from bench.shown import command_line
from tasks.errors import printable

CELL_HELP = 'the first 6 or more characters of its id, its folder, or "task method seed"'
INTERRUPTED = 130  # exit code after Ctrl-C
# Errors of an output that nobody reads any more: a closed pipe, which Windows calls invalid, or a closed terminal.
UNREAD = (errno.EPIPE, errno.EINVAL, errno.ECONNRESET, errno.EIO, errno.EBADF)
_lost: list[OSError] = []  # why the output could not be written, though somebody waits for it


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within the body SIGTERM and SIGHUP raise SystemExit, so that what is half-written is removed as after Ctrl-C.

    Further ones then do nothing: a closed terminal sends SIGHUP more than once. Handlers of the caller stay in force,
    and signals that `nohup` ignores are ignored.
    """
    own = unhandled()

    def end(number: int, _: object) -> None:
        for one in own:
            signal.signal(one, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in own:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)


def hyphenated(name: str) -> str:
    """A name as options are written: hyphens, and no dashes in front."""
    return name.strip().removeprefix("--").replace("_", "-")


def typed() -> str:
    """The command as it was typed, without what may be secret."""
    return command_line(sys.argv[1:])


def up_to_date(store: Path) -> Path:
    """The folder of a store that a command reads; of a remote store its local copy, which gets what changed."""
    from bench.remote.opened import fetched

    return fetched(store)


def say(line: str) -> None:
    """Print one line at once, with control characters as escapes.

    A closed pipe (`| head`), a closed terminal or a full disk does not stop the run; `lost_output` then knows of a full
    disk.
    """
    try:
        print(printable(line), flush=True)
    except OSError as error:
        _lost.extend([error] if error.errno not in UNREAD else [])
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end


def lost_output() -> str:
    """Why the output of the command is not whole, such as that of a full disk; empty if it is, or nobody reads it."""
    why = f"the output cannot be written: {_lost[0].strerror}" if _lost else ""
    _lost.clear()
    return why


def print_all(lines: Iterable[str], sound: bool = True) -> None:
    """Print lines, and end with exit code 1 if something was not sound."""
    for line in lines:
        say(line)
    if not sound:
        raise typer.Exit(1)
