"""Three Ray nodes on this machine: one is removed, one is added, a process is killed, the command is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import time
from typing import Any

import psutil

from tests.faults.grid import Grid

OBJECTS = 100 * 2**20  # bytes
AGENTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")


def options(**more: Any) -> dict[str, Any]:
    """The options of a node. Ports that are known need not be waited for."""
    sockets = [socket.create_server(("", 0)) for _ in AGENTS]
    ports = {name: one.getsockname()[1] for name, one in zip(AGENTS, sockets, strict=True)}
    for one in sockets:
        one.close()
    return {**ports, "object_store_memory": OBJECTS, **more}


def cluster(cpus: int) -> Any:
    """A cluster of one node."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_raylet_start_wait_time_s="300")
    from ray.cluster_utils import Cluster

    return Cluster(initialize_head=True, head_node_args=options(num_cpus=cpus, include_dashboard=False))


def slots() -> list[psutil.Process]:
    """The processes of the slots on this machine."""
    return [one for one in psutil.process_iter(["cmdline"]) if "ray::Slot" in " ".join(one.info["cmdline"] or [])]


def kill_a_slot() -> None:
    """Kill the process of a slot, as soon as there is one: those of a new node take seconds to start."""
    for _ in range(150):
        if own := slots():
            own[0].send_signal(signal.SIGKILL)
            return
        time.sleep(0.2)
    raise SystemExit("Ray started no process of a slot within 30 s")


def run(grid: Grid) -> str:
    """Disturb a run. Returns why it cannot be done here; empty if it was done."""
    if importlib.util.find_spec("ray") is None:
        return "the extra `ray` is not installed"
    nodes = cluster(1)
    try:
        lost, _ = (nodes.add_node(**options(num_cpus=1)) for _ in range(2))
        address = ("--engine", "ray", "--engine-set", f"address={nodes.address}")
        process = grid.start("ray", *address)
        grid.wait("ray", 0.15, process)
        grid.disturb("a node removed", lambda: nodes.remove_node(lost, allow_graceful=False))
        grid.wait("ray", 0.3, process)
        grid.disturb("a node added", lambda: nodes.add_node(**options(num_cpus=1)))
        grid.wait("ray", 0.45, process)
        grid.disturb("a process killed", kill_a_slot)
        grid.wait("ray", 0.6, process)
        grid.disturb("the command killed", lambda: grid.kill(process))
        time.sleep(1)
        process = grid.start("ray", *address)
        process.wait()
    finally:
        nodes.shutdown()
    return ""
