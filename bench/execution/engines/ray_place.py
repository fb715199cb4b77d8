"""A slot of the Ray engine as the driver sees it: what it is, whether it can be used, and whether it is silent."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UserError
from bench.execution.engines import ray_cluster
from bench.execution.engines.ray_slot import Facts
from bench.execution.limits import Limits
from bench.jobs import Job, Outcome
from bench.store.folders import State

ANSWER = 30.0  # seconds in which a slot must say how long it has been silent


@dataclass(eq=False)
class Place:
    """A slot as the driver sees it: its actor, its node, the reference to its next answer, and its current job."""

    actor: Any
    node: str
    name: str
    answer: Any
    ready: bool = False
    apart: bool = False  # whether it works without a view of the store
    job: Job | None = None
    began: float = field(default_factory=time.monotonic)
    asked: Any = None  # reference to the answer of `Slot.silent`
    asked_at: float = 0.0

    def accept(self, its: Facts, own: Facts, *, sent: bool) -> None:
        """Take jobs from now on. `sent`: whether tables and results are sent even to nodes that see the store.

        Raises UserError where the node has another version than this process.
        """
        for name, what in (("package", "version"), ("code", "code"), ("python", "Python")):
            here, there = getattr(own, name), getattr(its, name)
            if here != there:
                raise UserError(
                    f"node {self.name} of the Ray cluster has {what} {there[:12]}, and this process {here[:12]}: "
                    "install the same on all nodes"
                )
        self.apart, self.ready = sent or not its.sees, True

    def unusable(self, error: Exception) -> Outcome | UserError:
        """The failure of a job that it could not begin, or the error that its node can run none."""
        text = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        if self.job is None:
            return UserError(text[0])
        return Outcome(self.job.id, State.FAILED, cause=f"on node {self.name}: {text[0]}")

    def overdue(self, limits: Limits) -> str:
        """Why its job takes too long; empty if it does not."""
        assert self.job is not None, "only busy slots are asked"
        busy, allowed = time.monotonic() - self.began, limits.silence(self.job)
        if why := limits.over_time(self.job, busy):
            return why
        if busy <= allowed:
            return ""
        if self.asked is None:
            self.asked, self.asked_at = self.actor.silent.remote(), time.monotonic()
        elif ray_cluster.answered([self.asked], 0):
            try:
                silent = float(ray_cluster.get(self.asked))
            except ray_cluster.lost_errors() as error:
                return ray_cluster.cause(error, self.node)
            if silent > allowed:
                return f"made no progress for {silent:.0f} s"
            if time.monotonic() - self.asked_at > ANSWER:
                self.asked = None
        elif time.monotonic() - self.asked_at > ANSWER:
            return f"does not answer since {time.monotonic() - self.asked_at:.0f} s"
        return ""
