"""Signals that end a run: Ctrl-C, SIGTERM, and what a terminal sends when it is closed (SIGHUP)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from bench.system import ENDING

if TYPE_CHECKING:
    from bench.execution.queue import Queue

OUTPUTS = (1, 2)  # file descriptors of standard output and standard error
# Of each `ending_signals` that has ended within `until_the_end`: its check, and what restores the handlers.
_late: ContextVar[list[tuple[Callable[[], None], Callable[[], None]]] | None] = ContextVar("late", default=None)


class Stopped(SystemExit):
    """One of `ENDING` ended the run. The exit code is 128 and the signal's number, as shells count."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


def catchable(number: signal.Signals) -> bool:
    """Whether a signal may get a handler: not in another thread, nor where it is ignored, as nohup and `&` do."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(number) not in (signal.SIG_IGN, None)


def unhandled() -> list[signal.Signals]:
    """The signals of `ENDING` that would end the process now, and may get a handler."""
    return [number for number in ENDING if catchable(number) and signal.getsignal(number) is signal.SIG_DFL]


@contextlib.contextmanager
def first_interrupt(call: Callable[[], None]) -> Iterator[None]:
    """Within the body the first Ctrl-C calls `call`; the second has the handler that was set before.

    Nothing changes where Ctrl-C is ignored (a job in the background of a shell) or cannot be caught (another thread).
    """
    if not catchable(signal.SIGINT):
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        call()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def report_first(queue: Queue) -> Iterator[None]:
    """Within the body the first Ctrl-C of a run closes its queue, and the report goes on; the second one stops it."""

    def close() -> None:
        queue.close()
        with contextlib.suppress(OSError):  # not by `print`: the body may be within one
            os.write(OUTPUTS[1], b"\nfinishing the report; Ctrl-C again stops now\n")

    with contextlib.nullcontext() if queue.closed else first_interrupt(close):
        yield


@contextlib.contextmanager
def ending_signals() -> Iterator[Callable[[], None]]:
    """Within the body SIGTERM and SIGHUP are noted. The function that the body gets raises Stopped after one of them.

    So they end a run where its workers and leases are known. Afterwards both are ignored: a closed terminal sends
    SIGHUP more than once, and the report is still to be written. Handlers of the caller stay, see `catchable`.
    """
    received: list[int] = []
    terminals = [number for number in OUTPUTS if os.isatty(number)]
    own = unhandled()

    def handle(number: int, _: object) -> None:
        received.append(number)
        leave_closed(terminals)

    def check() -> None:
        if received:
            raise Stopped(received[0])

    def restore() -> None:
        for number in own:
            signal.signal(number, signal.SIG_IGN if received else signal.SIG_DFL)

    for number in own:
        signal.signal(number, handle)
    try:
        yield check
        check()
    finally:
        late = _late.get()
        restore() if late is None else late.append((check, restore))


@contextlib.contextmanager
def until_the_end() -> Iterator[None]:
    """Within the body, `ending_signals` goes on when its own body has ended; Stopped is raised at the end of this one.

    So a signal that comes during the last report does not end the process without it.
    """
    late: list[tuple[Callable[[], None], Callable[[], None]]] = []
    token = _late.set(late)
    try:
        yield
        for check, _ in late:
            check()
    finally:
        _late.reset(token)
        for _, restore in late:
            restore()


def leave_closed(terminals: list[int]) -> None:
    """Send the outputs of closed terminals nowhere: each write to one would be an error."""
    for number in terminals:
        if not os.isatty(number):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
