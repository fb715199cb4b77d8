"""Ways to run the jobs of a plan, one file each: processes of this machine, the ranks of torchrun, and clusters.

An installed package adds an engine by an entry point:

    [project.entry-points."data_weighting_bench.engines"]
    mine = "my_package.engine:Mine"
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from bench.config.typed import build
from bench.errors import UserError, unknown
from bench.execution.engines.engine import Engine
from bench.execution.engines.local import Local
from bench.execution.engines.ray import Ray
from bench.execution.engines.slurm import Slurm
from bench.execution.engines.torchrun import Torchrun, launched

__all__ = ["AUTO", "ENGINES", "Engine", "available", "chosen"]

GROUP = "data_weighting_bench.engines"
AUTO = "auto"  # the engine for which this process was started: torchrun, or else local
ENGINES: Mapping[str, type[Engine]] = {"local": Local, "torchrun": Torchrun, "ray": Ray, "slurm": Slurm}


def available() -> dict[str, type[Engine]]:
    """The engines of this package and of installed ones, by name. Raises UserError for one that cannot be imported."""
    return {**{entry.name: loaded(entry) for entry in sorted(entry_points(group=GROUP))}, **ENGINES}


def loaded(entry: Any) -> type[Engine]:
    """The engine that an installed package offers. Raises UserError."""
    try:
        engine = entry.load()
    except (Exception, SystemExit) as error:
        raise UserError(f"engine {entry.name} of an installed package: {type(error).__name__}: {error}") from error
    if not (isinstance(engine, type) and issubclass(engine, Engine)):
        raise UserError(f"engine {entry.name} of an installed package: {entry.value} is not a class of type Engine")
    return engine


def chosen(name: str = AUTO, settings: Mapping[str, Any] | None = None) -> Engine:
    """The engine with a name and settings.

    Raises UserError for an unknown engine or setting, naming the nearest, and where the engine cannot run here.
    """
    name = ("torchrun" if launched() else "local") if name == AUTO else name
    known = ENGINES if name in ENGINES else available()
    if name not in known:
        raise unknown("engine", name, [AUTO, *known])
    engine = build(known[name], settings or {}, f"engine {name}")
    if launched() and not isinstance(engine, Torchrun):
        raise UserError(f"torchrun started this process: leave out --engine {name}, or start it without torchrun")
    engine.require()
    return engine
