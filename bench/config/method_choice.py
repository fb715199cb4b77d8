"""The methods and tasks of a grid as they are asked for: names looked up, options typed and sorted."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import methods
from bench.config.expressions import parse
from bench.config.typed import build, label
from bench.errors import UserError, unknown
from methods.base import Method, MethodConfig, RealUse
from methods.hooks import Budget
from methods.plugins import findable

MOST_COST = 10.0  # CE cells that a method in `all` may cost


@dataclass(frozen=True)
class MethodChoice:
    """A configured method; `label` is its name with what differs from the defaults."""

    cls: type[Method]
    config: MethodConfig
    label: str

    @property
    def real_use(self) -> RealUse:
        """How it uses the small real set."""
        return self.cls.real_use_of(self.config)


def choose(
    names: str | Sequence[str], own: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[MethodChoice, ...], dict[str, str]]:
    """The configured methods of an expression in order, each once, and what groups left out with the reason."""
    registry, groups = methods.discover(), methods.groups()
    chosen: dict[tuple[str, MethodConfig], MethodChoice] = {}
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


def configure(cls: type[Method], options: Mapping[str, Any]) -> MethodChoice:
    """A method with its hyper-parameters converted and checked."""
    config = build(cls.Config, options, cls.name)
    return MethodChoice(cls, config, label(cls.name, config))


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
