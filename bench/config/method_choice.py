"""The methods of a grid and the auxiliary term of their losses: expressions become typed configurations."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import methods
from bench.config.expressions import parse, parse_one
from bench.config.settings import Settings
from bench.config.typed import build, label
from bench.errors import UserError, unknown
from bench.hashing import edited
from methods.auxiliary import AUXILIARIES, SimCSE
from methods.base import Method, MethodConfig, RealUse
from methods.context import columns_in
from methods.hooks import Budget
from methods.plugins import findable
from tasks.errors import join_names, short_repr

MAX_COST = 10.0  # times the cost of a `ce` cell; a more expensive method is not part of a group


@dataclass(frozen=True)
class MethodChoice:
    """A configured method; `label` is its name with the hyper-parameters that differ from the defaults."""

    cls: type[Method]
    config: MethodConfig
    label: str
    of_group: bool = field(default=False, compare=False)  # it is here because a group has it, and is not named itself

    @property
    def real_use(self) -> RealUse:
        """How it uses the small real set."""
        return self.cls.real_use_of(self.config)


def choose(
    names: str | Sequence[str], hyperparameters: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[MethodChoice, ...], dict[str, str]]:
    """The configured methods in order, each once, and the methods that groups leave out with the reason.

    `hyperparameters` (method -> name -> value) apply where an expression has no value of its own. They come before the
    settings that a method has in a group.
    """
    registry, groups = methods.discover(), methods.group_names()
    chosen: dict[tuple[str, MethodConfig], MethodChoice] = {}
    left_out: dict[str, str] = {}
    for expression in parse(names, "()"):
        if expression.name in groups:
            if expression.options:
                raise UserError(f"group {expression.name!r} takes no options; give them to a method")
            members = methods.group(expression.name)
            reasons = {name: reason for name in members if (reason := obstacle(registry[name]))}
            left_out.update(reasons)
            members = {name: settings for name, settings in members.items() if name not in reasons}
        else:
            if expression.name not in registry:
                raise unknown("method", expression.name, [*registry, *groups])
            if reason := missing_package(registry[expression.name]) or out_of_reach(registry[expression.name]):
                raise UserError(f"method {expression.name!r} cannot run: {reason}")
            members = {expression.name: {}}
        for name, settings in members.items():
            choice = configure(registry[name], {**settings, **hyperparameters.get(name, {}), **expression.options})
            choice = replace(choice, of_group=expression.name in groups)
            if not choice.of_group or (name, choice.config) not in chosen:
                chosen[name, choice.config] = choice
    for choice in chosen.values():
        if edited(choice.cls):
            raise UserError(
                f"method {choice.cls.name!r}: its code was edited after it was imported here, and would count as that "
                "of before; start Python again (in a notebook: restart the kernel)"
            )
    for name in hyperparameters:
        if name not in registry:
            raise unknown("method", name, registry)
        if name not in {choice.cls.name for choice in chosen.values()}:
            raise UserError(
                f"a setting is given for {short_repr(name)}, which is not among the methods of this grid; add it to "
                "--methods, or leave the setting out"
            )
    return tuple(chosen.values()), left_out


def out_of_reach(cls: type[Method]) -> str:
    """Why workers cannot import a method; empty if they can."""
    return "" if findable(cls) else f"workers cannot import it from {cls.__module__}; give its file: --plugin FILE.py"


def configure(cls: type[Method], options: Mapping[str, Any]) -> MethodChoice:
    """A method with its hyper-parameters converted and checked."""
    config = build(cls.Config, options, cls.name)
    return MethodChoice(cls, config, label(cls.name, config))


def obstacle(cls: type[Method]) -> str:
    """Why a group leaves out a method; empty if it is part of it."""
    cost = cls.declared_cost(cls.Config(), Budget())
    if cost > MAX_COST:
        return f"it costs {cost:.3g} times as much as ce; name it to run it"
    if columns := columns_in(cls.requires):
        return f"it reads {join_names(columns)} from a column of the generated rows; name it to run it"
    return missing_package(cls)


def missing_package(cls: type[Method]) -> str:
    """The optional packages that a method lacks, in a message; empty if it has all."""
    lacking = [name for name in cls.packages if importlib.util.find_spec(name) is None]
    return f"it needs the package {', '.join(lacking)}: pip install {' '.join(lacking)}" if lacking else ""


def auxiliary(text: str) -> SimCSE:
    """The term with its settings. Raises UserError for an unknown name or setting; it names the nearest known one."""
    expression = parse_one(text, "()")
    if expression.name not in AUXILIARIES:
        raise unknown("auxiliary term", expression.name, AUXILIARIES)
    return build(AUXILIARIES[expression.name], expression.options, expression.name)


def with_auxiliary(settings: Settings) -> Settings:
    """The settings with the term in canonical form, so that equal terms give equal cell ids. Weight 0 means no term."""
    if settings.auxiliary is None:
        return settings
    term, name = auxiliary(settings.auxiliary), parse_one(settings.auxiliary, "()").name
    return replace(settings, auxiliary=label(name, term) if term.weight else None)
