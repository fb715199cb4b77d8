"""The calls of Ray that the engine makes: connect, nodes, actors, answers. Ray is imported when one is made."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bench.errors import UserError
from bench.execution.engines.ray_slot import Slot

CONNECT = 5.0  # seconds in which the address of a cluster must answer
ATTEMPTS = 3  # to start Ray here: on a busy machine its parts give up waiting for each other
START = 180  # seconds in which Ray must start on this machine
KILLED = 10.0  # seconds in which a killed actor ends
OBJECTS = 200 * 2**20  # bytes of the object store of a Ray that starts here: jobs and outcomes are small
NODE_LOST = "was lost with its node"


def target(address: str) -> str:
    """The address of a running cluster; empty if Ray starts on this machine."""
    return address or os.environ.get("RAY_ADDRESS", "")


def require(address: str) -> None:
    """Raise UserError where Ray is not installed, or nothing answers at the address of a cluster."""
    if importlib.util.find_spec("ray") is None:
        raise UserError("engine ray needs the package ray: pip install 'data-weighting-bench[ray]'")
    place = target(address)
    if place in ("", "auto", "local"):
        return
    host, colon, port = place.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit() or not host:
        raise UserError(f"engine ray: address {place} is not host:port, ray://host:port or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"engine ray: no Ray cluster answers at {place}: {error}; `ray start --head` starts one"
        ) from error


def connect(address: str, *, cpus: float = 1, gpus: int = 0) -> None:
    """Connect to a cluster, or start Ray on this machine with some CPUs and GPUs. Raises UserError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_raylet_start_wait_time_s", str(START))  # a busy machine needs longer than Ray's 30 s
    import ray

    if ray.is_initialized():
        return
    place = target(address)
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    own = {
        "num_cpus": max(1, math.ceil(cpus)),
        "num_gpus": gpus,
        "include_dashboard": False,
        "object_store_memory": OBJECTS,
    }
    starts = place in ("", "local")
    for attempt in range(ATTEMPTS if starts else 1):
        try:
            with own_signals():
                ray.init(address=place or "local", **quiet, **(own if starts else {}))
            return
        except Exception as error:  # Ray raises RuntimeError, ConnectionError, ValueError and its own
            ray.shutdown()
            text = " ".join(str(error).split())
            if starts and "timed out" in text and attempt + 1 < ATTEMPTS:
                continue
            why = "other versions of Ray or Python than here: " if "ersion mismatch" in text else ""
            raise UserError(
                f"engine ray: {place or 'Ray on this machine'} cannot be used: {why}{text[:400]}"
            ) from error


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM: that of Ray would end the run without its report."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def nodes() -> dict[str, dict[str, Any]]:
    """The living nodes of the cluster by id."""
    import ray

    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def actor(cls: type[Slot], node: str, cpus: float, gpus: float, *arguments: Any) -> Any:
    """An actor of a class on a node. Its method `silent` runs beside the others."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    bound = NodeAffinitySchedulingStrategy(node, soft=False)
    remote = ray.remote(concurrency_groups={"watch": 1})(watched(cls))
    return remote.options(num_cpus=cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy=bound).remote(*arguments)


def watched(cls: type[Slot]) -> type[Slot]:
    """The class with its method `silent` in a concurrency group."""
    import ray

    return type(cls.__name__, (cls,), {"silent": ray.method(concurrency_group="watch")(cls.silent)})


def answered(references: Sequence[Any], seconds: float) -> list[Any]:
    """The references that have an answer: after the first one, or after some seconds."""
    import ray

    if not references:
        time.sleep(seconds)
        return []
    first, rest = ray.wait(list(references), timeout=seconds)
    return first if not first or not rest else [*first, *ray.wait(rest, num_returns=len(rest), timeout=0)[0]]


def put(content: bytes) -> Any:
    """A reference to bytes in the object store."""
    import ray

    return ray.put(content)


def get(reference: Any) -> Any:
    """The answer of a reference that has one. Raises what the call raised."""
    import ray

    return ray.get(reference)


def lost_errors() -> tuple[type[Exception], ...]:
    """The errors of Ray that an actor has ended."""
    from ray import exceptions as of_ray

    return (
        of_ray.RayActorError,
        of_ray.WorkerCrashedError,
        of_ray.OutOfMemoryError,
        of_ray.NodeDiedError,
        of_ray.ActorUnschedulableError,  # its node was lost before it could start
    )


def cause(error: Exception, node: str) -> str:
    """How an actor ended, in words; `NODE_LOST` if with its node."""
    text = str(error)
    if node not in nodes() or "node has died" in text or "node was terminated" in text or "node failure" in text:
        return NODE_LOST
    # Ray's text on a lost process names the OOM killer whatever happened; these are about memory alone.
    if "running low on memory" in text or type(error).__name__ == "OutOfMemoryError":
        return "died (Ray ended it because the memory of its node ran low)"
    return "died"


def kill(actor: Any) -> None:
    """End an actor at once."""
    import ray

    with contextlib.suppress(Exception):  # it may have ended
        ray.kill(actor, no_restart=True)


def finished(references: Sequence[Any]) -> None:
    """Wait until calls have an answer or their actors have ended, for some seconds at most."""
    import ray

    if references:
        with contextlib.suppress(Exception):
            ray.wait(list(references), num_returns=len(references), timeout=KILLED)
