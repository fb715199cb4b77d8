"""Ways to run the jobs of a plan, one file each: worker processes of this machine, or the ranks of torchrun."""

from __future__ import annotations

from collections.abc import Mapping

from bench.execution.engines import local, torchrun
from bench.execution.engines.engine import Engine

__all__ = ["ENGINES", "Engine", "current"]

# The first engine whose `launched` is true is used, so the general one is last.
ENGINES: Mapping[str, Engine] = {"torchrun": torchrun, "local": local}


def current() -> Engine:
    """The engine for which this process was started."""
    return next(engine for engine in ENGINES.values() if engine.launched())
