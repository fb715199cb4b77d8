"""The data-parallel engine: the processes (ranks) that torchrun started train each cell of a grid together.

    torchrun --nproc_per_node 2 -m bench run --methods core

Rank 0 plans, runs the jobs that are no trainings, writes and prints. The other ranks receive each training and compute
their part of its batches (`bench.data_parallel`). An exception on all ranks is a failure of the cell, and the grid goes
on; an exception on one rank ends the run, because the others wait for it inside a batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.execution.engines.engine import POLL, Engine, Watcher, settle
from bench.execution.limits import Limits, require_gpu
from bench.execution.queue import Queue
from bench.jobs import CellJob

if TYPE_CHECKING:
    from bench.training.cell import Trained

PATIENCE = timedelta(days=7)  # how long ranks wait while rank 0 works alone
GRACE = timedelta(seconds=5)  # within which ranks must fail for it to count as a failure of all


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def follows() -> bool:
    """Whether this process is a rank that waits for trainings from rank 0."""
    return launched() and os.environ.get("RANK", "0") != "0"


@dataclass(frozen=True)
class Torchrun(Engine):
    """The processes that torchrun started train each cell together, each a part of its batches."""

    rounds = False
    timed = False

    def require(self) -> None:
        if not launched():
            raise UserError("--engine torchrun needs torchrun: torchrun --nproc_per_node 2 -m bench run ...")

    def follows(self) -> bool:
        return follows()

    def follow(self) -> None:
        """Train with rank 0 until it has no more work. Raises an exception that no other rank had."""
        import bench.execution.worker  # noqa: F401  # sets one thread and quiet libraries

        with team() as ranks:
            while (job := ranks.share(None)) is not None:
                try:
                    ranks.train(job)
                except Exception:
                    if not ranks.in_step:
                        raise

    def count(self, requested: int | None) -> int:
        """The number of ranks, which torchrun fixes. Raises UserError where --workers is given too."""
        if requested:
            raise UserError("leave --workers out: under torchrun all its processes train each cell together")
        return int(os.environ.get("WORLD_SIZE", "1"))

    def execute(self, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        """Run every job of the queue whose needs can be met, as rank 0; `workers` is the number of ranks.

        `limits` are not used: torchrun ends all ranks when one dies. Raises UserError after an exception on one rank
        alone, and where the store cannot be written.
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
                        outcome = worker.run_job(job, {**worker.BUILDERS, **together})
                        settle(queue, job, outcome, watcher)
                        if not ranks.in_step:
                            raise UserError(
                                f"one rank of {workers} failed alone, and the others wait for it: {outcome.cause}; "
                                "finished cells are kept, and the same command with --retry-failed continues"
                            )
                    for ended, state in queue.revisit():
                        watcher.tell(ended, state, None)
                    watcher.pulse()
            finally:
                if ranks.in_step:
                    ranks.share(None)


class Team:
    """The group of ranks. All of them call `share` and `train` in the same order."""

    def __init__(self) -> None:
        import torch
        import torch.distributed as dist
        from torch.distributed.distributed_c10d import PrefixStore
        from torch.distributed.rendezvous import rendezvous

        require_gpu()
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
        """The next training, which rank 0 sends to all; None at the end."""
        import torch.distributed as dist

        box = [job]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def train(self, job: CellJob) -> Trained:
        """Train with the other ranks. `in_step` stays true after an exception only if every rank raised one."""
        from bench.training.cell import train

        self.trainings += 1
        try:
            return train(job)
        except Exception as error:
            self.store.set(self._failed(self.rank), repr(error))
            try:
                self.store.wait([self._failed(rank) for rank in range(self.world)], GRACE)
                # A rank that gave up waiting has reported it; the others fail only because it has ended.
                self.in_step = not self.store.check([self._failed("alone")])
            except RuntimeError:
                self.store.set(self._failed("alone"), repr(error))
                self.in_step = False
            raise

    def gather(self) -> None:
        """Wait until every rank has called this.

        If a rank closed its connections while another was still receiving its last message, it would abort that one.
        """
        self.store.set(f"there/{self.rank}", "")
        self.store.wait([f"there/{rank}" for rank in range(self.world)], PATIENCE)

    def _failed(self, who: int | str) -> str:
        return f"failed/{self.trainings}/{who}"


@contextmanager
def team() -> Iterator[Team]:
    """The group of ranks while a grid runs; it is dissolved when all have finished."""
    import torch.distributed as dist

    ranks = Team()
    yield ranks
    ranks.gather()
    dist.destroy_process_group()
