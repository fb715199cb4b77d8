"""The Ray engine: warm actors on the nodes of a Ray cluster. Nodes that do not see the store get what they need.

Each node gets as many actors (slots) as its resources allow; a node that joins gets its own within seconds. The driver
holds the queue. A job whose node was lost runs again elsewhere. A job whose process died runs again as often as
--retries says. An exception of a job is its failure.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from bench import devices
from bench.errors import UserError
from bench.execution.causes import in_turn
from bench.execution.engines import ray_cluster
from bench.execution.engines.engine import POLL, Engine, Watcher, setting, settle, try_again
from bench.execution.engines.ray_place import Place
from bench.execution.engines.ray_slot import Facts, Slot, environment, facts, withheld
from bench.execution.engines.ray_transfer import Sender
from bench.execution.limits import Limits
from bench.execution.queue import Queue
from bench.execution.signals import ending_signals, first_interrupt
from bench.jobs import Job, Outcome
from bench.processes import cores
from bench.store.folders import State
from bench.store.layout import RUNNING

PATIENCE = 60.0  # seconds after which a slot that has not started is said to wait for resources
LOOK = 2.0  # seconds between two looks at the nodes
STARTS = 5  # attempts to start a process on a node
NODE_LOSSES = 5  # of one job, after which it is a failure: it may be what ends the nodes


@dataclass(frozen=True)
class Ray(Engine):
    """Processes of a Ray cluster, or of a Ray that starts on this machine; needs the extra `ray`."""

    here: ClassVar[bool] = False

    address: str = setting(
        "", "host:port or ray://host:port of a cluster, or auto; without it RAY_ADDRESS, else Ray starts here"
    )
    store: Literal["seen", "sent"] = setting(
        "seen", "sent: send tables and results through Ray even to nodes that see the store; others always get them so"
    )
    cpus_per_cell: float = setting(1.0, "CPUs that a cell takes; it computes with one thread")
    gpus_per_cell: float | None = setting(
        None, "GPUs that a cell takes, 0.25 for four on each (None: 1 if there is any)"
    )

    def __post_init__(self) -> None:
        if self.cpus_per_cell <= 0 or (self.gpus_per_cell or 0) < 0:
            raise ValueError("cpus_per_cell must be above 0, and gpus_per_cell not below")

    def require(self) -> None:
        ray_cluster.require(self.address)
        if self.gpus_per_cell and devices.cpu_only():
            raise UserError("engine ray: gpus_per_cell and --device cpu exclude each other")

    def count(self, requested: int | None) -> int:
        """The slots of a running cluster, or of this machine; at most `requested`. Raises UserError."""
        if not ray_cluster.target(self.address):
            by_gpu = 0 if self.gpus_per_cell == 0 else int(len(devices.gpus()) / (self.gpus_per_cell or 1))
            return requested or max(1, by_gpu or int(cores() / self.cpus_per_cell))
        ray_cluster.connect(self.address)
        slots = sum(self.slots(node) for node in ray_cluster.nodes().values())
        return min(requested or slots, slots) or 1

    def slots(self, node: dict[str, Any]) -> int:
        """The cells that a node can run at once."""
        resources = node["Resources"]
        gpus = self.gpus_of(resources)
        by_cpu = int(resources.get("CPU", 0) / self.cpus_per_cell)
        return min(by_cpu, int(resources.get("GPU", 0) / gpus)) if gpus else by_cpu

    def gpus_of(self, resources: dict[str, float]) -> float:
        """The GPUs that a cell takes on a node."""
        if self.gpus_per_cell is not None or devices.cpu_only():
            return self.gpus_per_cell or 0.0
        return 1.0 if resources.get("GPU", 0) >= 1 else 0.0

    def execute(self, queue: Queue, workers: int, watcher: Watcher, limits: Limits) -> None:
        """Run every job of the queue whose needs can be met; signals act as in the local engine.

        Raises UserError where the store cannot be written, and where a node has another version.
        """
        if not queue.open:
            return
        root = next(iter(queue.jobs.values())).root
        probe = root / RUNNING / f".probe-{secrets.token_hex(8)}"
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        ray_cluster.connect(self.address, cpus=workers * self.cpus_per_cell, gpus=len(devices.gpus()))
        if ray_cluster.target(self.address):
            watcher.note(withheld())
        pool = Slots(self, queue, watcher, limits, probe)
        try:
            with first_interrupt(queue.close), ending_signals() as check:
                pool.serve(check)
        finally:
            pool.stop()
            with contextlib.suppress(OSError):  # an error that ended the run is what counts
                probe.unlink()


class Slots:
    """The slots of a run with its queue."""

    def __init__(self, engine: Ray, queue: Queue, watcher: Watcher, limits: Limits, probe: Path) -> None:
        self.engine, self.queue, self.watcher, self.limits = engine, queue, watcher, limits
        self.probe, self.places = probe, list[Place]()
        self.deaths: defaultdict[str, list[str]] = defaultdict(list)  # job id -> how each of its processes died
        self.looked = -LOOK
        self.own = facts()
        self.sender = Sender(queue, ray_cluster.put)

    def serve(self, check: Callable[[], None]) -> None:
        """Hand out jobs and take in answers until no job is open. `check` is called often and may raise."""
        while self.queue.open:
            check()
            self.follow_nodes()
            for place in self.places:
                if place.ready and place.job is None and (job := self.queue.take()) is not None:
                    self.give(place, job)
            for place in self.answering():
                self.take_in(place)
            for place in [one for one in self.places if one.job is not None]:
                if cause := place.overdue(self.limits):
                    ray_cluster.kill(place.actor)
                    self.lost(place, cause)
            for job, ended in self.queue.revisit():
                self.watcher.tell(job, ended, None)
            self.watcher.pulse()

    def follow_nodes(self) -> None:
        """Start slots on nodes that have room for them, as many as there is work for; forget those of lost nodes."""
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        nodes = ray_cluster.nodes()
        wanted = min(self.limits.most or self.queue.open, self.queue.open)
        on = Counter(place.node for place in self.places)
        for identity, node in nodes.items():
            for _ in range(min(self.engine.slots(node) - on[identity], wanted - len(self.places))):
                self.places.append(self.start(identity, node))
        if not nodes or not self.places:
            self.watcher.note(
                [f"no node of the Ray cluster has {self.engine.cpus_per_cell:g} CPUs for a cell: waiting"]
            )
        for place in self.places:
            if not place.ready and time.monotonic() - place.began > PATIENCE:
                self.watcher.note([f"a process on node {place.name} waits for {self.engine.cpus_per_cell:g} free CPUs"])
        running = Counter({node["NodeName"]: 0 for node in nodes.values()})
        running.update(place.name for place in self.places if place.job is not None)
        self.watcher.running_on(running)

    def start(self, identity: str, node: dict[str, Any]) -> Place:
        """A new slot on a node."""
        actor = ray_cluster.actor(
            Slot, identity, self.engine.cpus_per_cell, self.engine.gpus_of(node["Resources"]), environment(), self.probe
        )
        return Place(actor, identity, node["NodeName"], actor.start.remote())

    def give(self, place: Place, job: Job) -> None:
        """Send a job to a slot; to one that does not see the store, with the tables that it needs."""
        place.asked = None  # the silence of the job before it
        if not place.apart:
            place.job, place.began, place.answer = job, time.monotonic(), place.actor.run.remote(job)
        elif (outcome := self.sender.begin(job)) is not None:
            settle(self.queue, job, outcome, self.watcher)
        else:
            answer = place.actor.run_apart.remote(job, self.sender.inputs(job))
            place.job, place.began, place.answer = job, time.monotonic(), answer

    def answering(self) -> list[Place]:
        """The slots that have an answer, after at most `POLL` seconds."""
        waiting = {place.answer: place for place in self.places if place.answer is not None}
        return [waiting[reference] for reference in ray_cluster.answered([*waiting], POLL)]

    def take_in(self, place: Place) -> None:
        """Take in what a slot answered: its facts, the outcome of its job, or why the run must stop."""
        try:
            answer = ray_cluster.get(place.answer)
        except ray_cluster.lost_errors() as error:
            self.lost(place, ray_cluster.cause(error, place.node))
            return
        except Exception as error:  # of Ray, for instance a job that the node cannot unpickle
            answer = place.unusable(error)
            if place.job is not None:
                self.sender.drop(place.job)
        place.answer = None
        message = self.received(place, answer)
        if isinstance(message, UserError):
            raise message if place.ready else UserError(f"node {place.name} can run no cell: {message}")
        if isinstance(message, Facts):
            place.accept(message, self.own, sent=self.engine.store == "sent")
            if place.apart:
                self.watcher.note([f"node {place.name} does not use the store: tables and results travel through Ray"])
            return
        job, place.job = place.job, None
        assert job is not None, "a slot sends an outcome only for a job"
        settle(self.queue, job, message, self.watcher)
        if message.gpu_lost:
            self.lost(place, "lost its GPU")

    def received(self, place: Place, answer: Any) -> Facts | Outcome | UserError:
        """The message of an answer. Results that came with it are placed into the store."""
        if not isinstance(answer, tuple):
            return answer  # type: ignore[no-any-return]
        message, results = answer
        assert place.job is not None, "results are those of a job"
        if isinstance(message, Outcome) and not self.sender.end(place.job, results):
            return Outcome(place.job.id, State.RUNNING)  # another run has taken it
        return message  # type: ignore[no-any-return]

    def lost(self, place: Place, cause: str) -> None:
        """Forget a slot that ended. Its job runs again, or is a failure after the last attempt."""
        self.places.remove(place)
        ray_cluster.kill(place.actor)  # it may only be out of reach
        self.looked = -LOOK  # another one may start at once
        if (job := place.job) is None:
            if not place.ready:
                self.starts_failed(place, cause)
            return
        self.sender.forget(job)
        by_node = cause == ray_cluster.NODE_LOST
        self.deaths[job.id].append(
            f"its node {place.name} was lost" if by_node else f"its process on {place.name} {cause}"
        )
        of_nodes = sum(text.endswith("was lost") for text in self.deaths[job.id])
        again = of_nodes <= NODE_LOSSES and len(self.deaths[job.id]) - of_nodes <= self.limits.retries
        try_again(self.queue, job, self.watcher, in_turn(self.deaths[job.id]), again=again)

    def starts_failed(self, place: Place, cause: str) -> None:
        """Count a slot that ended before it could work. Raises UserError where none of a living node can start."""
        if cause == ray_cluster.NODE_LOST:
            return
        self.deaths[place.node].append(cause)
        if len(self.deaths[place.node]) >= STARTS:
            raise UserError(f"no process can start on node {place.name}: the last of {STARTS} {cause}")

    def stop(self) -> None:
        """End all slots, and remove the leases of their jobs."""
        idle = [place for place in self.places if place.apart and place.job is None]
        ray_cluster.finished([place.actor.clean.remote() for place in idle])
        for place in self.places:
            ray_cluster.kill(place.actor)
        for place in self.places:
            if place.job is not None:
                ray_cluster.finished([place.answer])
                self.sender.forget(place.job)
