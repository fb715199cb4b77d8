"""The curves of a cell at W&B while it trains, sent by a thread: the training never waits for the server.

When the cell is finished, its run is written from its files like any other, and goes on with the run of this thread;
W&B leaves out the updates that it has. So what the thread could not send arrives then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from bench import data_parallel
from bench.jobs import MirrorJob
from bench.tracking.values import send_configuration, send_update
from bench.tracking.wandb_runs import SENDING, chosen_mode, give_up, open_run

Updates = Sequence[Mapping[str, Any]]  # as in history.jsonl


@contextmanager
def live_curves(job: MirrorJob | None) -> Iterator[Callable[[Updates], None] | None]:
    """A function that sends updates of a cell's training to its W&B run; None without a job, and on other ranks."""
    if job is None or data_parallel.rank():
        yield None
        return
    sender = Sender(job)
    sender.start()
    failed = True
    try:
        yield sender.updates.put
        failed = False
    finally:
        sender.end(exit_code=int(failed))


class Sender(threading.Thread):
    """Opens the run of a cell and sends what it is given. Any error ends it, and the process then stays offline."""

    def __init__(self, job: MirrorJob) -> None:
        super().__init__(daemon=True)
        self.job, self.exit_code = job, 0
        self.updates: SimpleQueue[Updates | None] = SimpleQueue()

    def run(self) -> None:
        """Send until `end` is called."""
        try:
            if chosen_mode() != "online":
                return
            tracker = open_run(self.job, "online")
            send_configuration(tracker, self.job)
            while (updates := self.updates.get()) is not None:
                for update in updates:
                    send_update(tracker, update)
            tracker.run.finish(exit_code=self.exit_code)
        except Exception as error:  # the client raises many kinds; none may end a training
            give_up(error)

    def end(self, exit_code: int) -> None:
        """Close the run, whose last updates the server has some seconds to accept."""
        self.exit_code = exit_code
        self.updates.put(None)
        self.join(SENDING)
        if self.is_alive():
            give_up(TimeoutError(f"no answer within {SENDING} s"))
