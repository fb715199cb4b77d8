"""The data-parallel engine: processes that torchrun started train the cells of a grid together, one after another.

    torchrun --nproc_per_node 2 -m bench run --methods core

Rank 0 plans, builds what is no training, writes and speaks. The others are told of each training and do their part of
its batches (`bench.ranks`). A failure that every rank meets is the cell's, and the grid goes on; one that a rank has
for itself ends the run, because the others wait for it inside a batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.execution.engines.engine import POLL, Watcher, settle
from bench.execution.queue import Queue
from bench.jobs import CellJob
from bench.store.folders import State

if TYPE_CHECKING:
    from bench.training.cell import Trained

PATIENCE = timedelta(days=7)  # for what rank 0 does alone
GRACE = timedelta(seconds=5)  # in which ranks that fail together all notice


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def follows() -> bool:
    """Whether this process waits for what rank 0 tells it."""
    return launched() and os.environ.get("RANK", "0") != "0"


def count(requested: int | None) -> int:
    """The processes that train together: torchrun's. Raises UserError where --workers are requested too."""
    if requested:
        raise UserError("--workers are processes that train a cell each; under torchrun its processes share each cell")
    return int(os.environ.get("WORLD_SIZE", "1"))


class Team:
    """The ranks, joined; `share` and `train` are called by all of them in the same order."""

    def __init__(self) -> None:
        import torch
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        self.store, self.rank, self.world = next(rendezvous("env://", timeout=timedelta(minutes=5)))
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        group = PrefixStore("group", self.store)
        dist.init_process_group(backend, store=group, rank=self.rank, world_size=self.world, timeout=PATIENCE)
        self.trainings = 0
        self.in_step = True

    def share(self, job: CellJob | None) -> CellJob | None:
        """What rank 0 has to train next, None at the end."""
        import torch.distributed as dist

        box = [job]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def train(self, job: CellJob) -> Trained:
        """Train with the others. An exception leaves the ranks in step if all of them have one."""
        from bench.training.cell import train

        self.trainings += 1
        try:
            return train(job)
        except Exception as error:
            self.store.set(self._failed(self.rank), repr(error))
            try:
                self.store.wait([self._failed(rank) for rank in range(self.world)], GRACE)
                # The others fail too when the one that gave up on them is gone.
                self.in_step = not self.store.check([self._failed("alone")])
            except RuntimeError:
                self.store.set(self._failed("alone"), repr(error))
                self.in_step = False
            raise

    def gather(self) -> None:
        """Wait until every rank has come here.

        One that closes its connections while another still takes in its last message would abort that one.
        """
        self.store.set(f"there/{self.rank}", "")
        self.store.wait([f"there/{rank}" for rank in range(self.world)], PATIENCE)

    def _failed(self, who: int | str) -> str:
        return f"failed/{self.trainings}/{who}"


@contextmanager
def team() -> Iterator[Team]:
    """The ranks for as long as a grid runs; they leave together."""
    import torch.distributed as dist

    ranks = Team()
    yield ranks
    ranks.gather()
    dist.destroy_process_group()


def follow() -> None:
    """What every rank but 0 does until rank 0 has no more work. Raises what this rank alone could not do."""
    import bench.execution.worker  # noqa: F401  # one thread, quiet libraries

    with team() as ranks:
        while (job := ranks.share(None)) is not None:
            try:
                ranks.train(job)
            except Exception:
                if not ranks.in_step:
                    raise


def execute(queue: Queue, workers: int, watcher: Watcher) -> None:
    """Run every job of the queue that can run, as rank 0; `workers` is the number of ranks.

    Raises UserError when the ranks are no longer in step.
    """
    from bench.execution import worker

    with team() as ranks:

        def training(job: CellJob) -> Trained:
            return ranks.train(ranks.share(job) or job)

        together = {kind: partial(worker.BUILDERS[kind], training=training) for kind in worker.TRAIN}
        try:
            while queue.open:
                if (job := queue.take()) is None:
                    time.sleep(POLL)
                else:
                    outcome = worker.run(job, {**worker.BUILDERS, **together})
                    settle(queue, job, outcome, watcher)
                    if not ranks.in_step:
                        raise UserError(
                            f"a rank failed alone and {workers - 1} wait for it: {outcome.cause}; "
                            "what is done is kept, and the same command with --retry-failed goes on"
                        )
                for found in queue.revisit():
                    watcher.tell(found, State.DONE, None)
                watcher.pulse()
        finally:
            if ranks.in_step:
                ranks.share(None)
