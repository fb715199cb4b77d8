"""What `bench list` prints: methods, tasks, cells. Light: no torch, no data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import methods as registry
from bench.errors import UserError
from bench.store.files import read_json
from bench.store.folders import State, failure, state
from methods.base import MethodConfig, WeightConfig
from methods.hooks import Budget
from tasks import AXES, load_spec, task_names


def methods() -> Iterator[str]:
    """A line per method, and one per hyper-parameter of its own; those that all share come once, at the end."""
    shared = {entry.name: entry for config in (MethodConfig, WeightConfig) for entry in fields(config)}
    for name, cls in registry.discover().items():
        config = cls.Config()
        title = (cls.__doc__ or "").strip().split("\n")[0]
        groups = ", ".join(cls.groups) or "-"
        yield f"{name}: {title}"
        cost = cls.declared_cost(config, Budget())
        yield f"    groups: {groups}; real rows: {cls.real_use_of(config)}; cost: {cost:.3g} CE cells"
        yield from (f"    {setting(entry)}" for entry in fields(config) if entry.name not in shared)
    yield "every method (shuffle: those that weight cross-entropy):"
    yield from (f"    {setting(entry)}" for entry in shared.values())


def setting(entry: Field[Any]) -> str:
    """A hyper-parameter with its default, its note and the range that a search would take."""
    search = entry.metadata.get("search")
    between = f"; searched {search}" if search else ""
    return f"{entry.name}={entry.default}: {entry.metadata.get('note', '')}{between}"


def tasks() -> Iterator[str]:
    """A line per task with labels, sources and filters, and one per axis of stress."""
    for name in task_names():
        spec = load_spec(name)
        options = spec.options
        filters = f"; options: {', '.join(options)}" if options else ""
        kind = "pairs, " if spec.pair else ""
        sources = ", ".join(spec.complete_sources()) or "a known process"
        yield f"{name}: {spec.title} ({kind}{', '.join(spec.labels)}); sources: {sources}{filters}"
    yield "every task takes stress, as in twitter[noise=0.2,real=100]:"
    yield from (f"    {name}: {axis.meaning}" for name, axis in AXES.items())


def cells(root: Path, failed: bool) -> Iterator[str]:
    """A line per cell of a store: state, folder, accuracy or cause. Raises UserError where there is no folder."""
    if not root.is_dir():
        raise UserError(f"no store at {root}")
    for path in sorted(root.glob("[!.]*/*/*/spec.json")):
        found = state(path.parent)
        if failed and found is not State.FAILED:
            continue
        try:
            spec = read_json(path)
            title = f"{spec['task_ref']} {spec['label']} seed {spec['seed']}{detail(path.parent, found)}"
        except (UserError, KeyError) as error:
            title = str(error) if isinstance(error, UserError) else f"{path} is no cell's"
        yield f"{found:8} {path.parent}  {title}"


def detail(folder: Path, found: State) -> str:
    """The number or cause that goes with a state."""
    if found is State.DONE:
        return f"  accuracy {read_json(folder / 'metrics.json')['accuracy']:.4f}"
    if found is State.FAILED:
        return f"  {failure(folder)}"
    return ""
