"""The methods and tasks of a grid as they are asked for: names looked up, options typed and sorted."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import methods
from bench.errors import UserError, unknown
from bench.refs import Ref, build, convert, label, parse
from methods.base import Method, MethodConfig, RealUse
from methods.hooks import Budget
from methods.plugins import findable
from tasks import AXES, FILES, Role, TaskSpec, load_spec
from tasks.stress import without_defaults

MOST_COST = 10.0  # CE cells that a method in `all` may cost


@dataclass(frozen=True)
class Choice:
    """A configured method; `label` is its name with what differs from the defaults."""

    cls: type[Method]
    config: MethodConfig
    label: str

    @property
    def real_use(self) -> RealUse:
        """How it uses the small real set."""
        return self.cls.real_use_of(self.config)


@dataclass(frozen=True)
class TaskChoice:
    """A task with its options: `filters` act on the real data, `stress` are values of axes that change something."""

    spec: TaskSpec
    name: str  # that of the task, or of the user's folder or file
    label: str  # the name with the options
    filters: Mapping[str, Any]
    stress: Mapping[str, Any]
    location: str | Path


def choose(
    names: str | Sequence[str], own: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[Choice, ...], dict[str, str]]:
    """The configured methods of an expression in order, each once, and what groups left out with the reason."""
    registry, groups = methods.discover(), methods.groups()
    chosen: dict[tuple[str, MethodConfig], Choice] = {}
    left_out: dict[str, str] = {}
    for ref in parse(names, "()"):
        if ref.name in groups:
            if ref.options:
                raise UserError(f"group {ref.name!r} takes no options; write them at a method")
            members = methods.group(ref.name)
            reasons = {name: reason for name in members if (reason := obstacle(registry[name]))}
            left_out.update(reasons)
            members = [name for name in members if name not in reasons]
        else:
            if ref.name not in registry:
                raise unknown("method", ref.name, [*registry, *groups])
            if reason := missing_package(registry[ref.name]) or out_of_reach(registry[ref.name]):
                raise UserError(f"method {ref.name!r} cannot run: {reason}")
            members = [ref.name]
        for name in members:
            choice = configure(registry[name], {**own.get(name, {}), **ref.options})
            chosen.setdefault((name, choice.config), choice)
    for name in own:
        if name not in registry:
            raise unknown("method", name, registry)
        if name not in {choice.cls.name for choice in chosen.values()}:
            raise UserError(f"a setting is given for {name!r}, which is not among the methods of this grid")
    return tuple(chosen.values()), left_out


def out_of_reach(cls: type[Method]) -> str:
    """Why workers could not find a method; empty if they can."""
    return "" if findable(cls) else f"workers cannot import it from {cls.__module__}; give its file: --plugin FILE.py"


def configure(cls: type[Method], options: Mapping[str, Any]) -> Choice:
    """A method with its hyper-parameters converted and checked."""
    config = build(cls.Config, options, cls.name)
    return Choice(cls, config, label(cls.name, config))


def obstacle(cls: type[Method]) -> str:
    """Why a group leaves a method out; empty if it does not."""
    cost = cls.declared_cost(cls.Config(), Budget())
    if cost > MOST_COST:
        return f"it costs {cost:.3g} CE cells; name it to run it"
    return missing_package(cls)


def missing_package(cls: type[Method]) -> str:
    """Which optional package a method lacks; empty if none."""
    lacking = [name for name in cls.packages if importlib.util.find_spec(name) is None]
    return f"it needs the package {', '.join(lacking)}: pip install {' '.join(lacking)}" if lacking else ""


def choose_tasks(names: str | Sequence[str], places: Mapping[Role, str]) -> tuple[TaskChoice, ...]:
    """The tasks of an expression in order, each once; two files that describe tasks of one name are refused.

    So are several tasks where a role is replaced, which is meant for one.
    """
    chosen: dict[str, TaskChoice] = {}
    for task in (choose_task(ref) for ref in parse(names, "[]")):
        known = chosen.setdefault(task.label, task)
        if str(known.location) != str(task.location):
            raise UserError(f"{known.location} and {task.location} both describe a task {task.name!r}; rename one")
    if places and len({task.name for task in chosen.values()}) > 1:
        raise UserError(f"--{next(iter(places))} replaces rows of one task; this grid has {', '.join(chosen)}")
    return tuple(chosen.values())


def choose_task(ref: Ref) -> TaskChoice:
    """A task with its options sorted into filters and stress axes. Raises UserError for a value out of range."""
    spec = load_spec(ref.name)
    filters, stress = {}, {}
    for key, value in ref.options.items():
        where = f"{ref.name}[{key}]"
        if key in AXES:
            stress[key] = convert(value, AXES[key].kind, where)
            low, high = AXES[key].low, AXES[key].high
            if not isinstance(stress[key], str) and not low <= stress[key] <= high:
                limit = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
                raise UserError(f"{where} must be {limit}, not {value}")
        elif key in spec.choices:
            if value not in spec.choices[key].values:
                raise unknown(f"value of {where}", str(value), spec.choices[key].values)
            filters[key] = value
        elif key in spec.options:
            number = convert(value, float, where)
            if not isfinite(number):
                raise UserError(f"{where} must be finite, not {value}")
            if key in spec.filters or number != spec.knobs[key].default:
                filters[key] = int(number) if number == int(number) else number
        else:
            raise unknown(f"option of task {ref.name}", key, [*AXES, *spec.options])
    stress = without_defaults(stress)
    name = spec.title if spec.name == FILES else spec.name
    return TaskChoice(spec, name, task_label(name, {**filters, **stress}), filters, stress, ref.name)


def task_label(name: str, options: Mapping[str, Any]) -> str:
    """How a task with options is written."""
    written = ",".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{name}[{written}]" if written else name
