"""Ways to run the jobs of a plan, one file each: processes of this machine, or the processes that torchrun started."""

from __future__ import annotations

from collections.abc import Mapping

from bench.execution.engines import local, torchrun
from bench.execution.engines.engine import Engine

__all__ = ["ENGINES", "Engine", "current"]

# The first whose processes these are is used, so the general one is last.
ENGINES: Mapping[str, Engine] = {"torchrun": torchrun, "local": local}


def current() -> Engine:
    """The engine that this process was started for."""
    return next(engine for engine in ENGINES.values() if engine.launched())
