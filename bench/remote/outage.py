"""Whether a remote store answers a run: while it does not, the run goes on with what it has, and asks again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from bench.remote.objects import RefusedError, TransferError

Value = TypeVar("Value")
AGAIN = 5.0  # seconds without questions after one that was not answered


class Outage:
    """The requests of a run that may fail for a while. `notes`: a line for each time that the store fell silent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.notes: list[str] = []
        self.silent = False
        self.until = 0.0  # by the monotonic clock: nothing is asked before

    def ask(self, call: Callable[[], Value], otherwise: Value) -> Value:
        """What a call returns that asks the store; `otherwise` while the store does not answer.

        Raises RefusedError: a refusal would stay one.
        """
        if time.monotonic() < self.until:
            return otherwise
        try:
            answer = call()
        except RefusedError:
            raise
        except TransferError as error:
            if not self.silent:
                self.notes.append(f"{self.url} does not answer: the run goes on with what it has, and waits ({error})")
            self.silent, self.until = True, time.monotonic() + AGAIN
            return otherwise
        self.silent = False
        return answer
