"""Facts about a method that the registry knows and a store does not: its idea, limits, family, formula and settings."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import methods as registry
from methods.base import Method, MethodConfig, PointwiseLoss, RealUse, StaticWeights, WeightConfig, WeightMethod

# How a method uses the small real set, in words.
REAL_USE: Mapping[str, str] = {
    RealUse.NONE: "not used",
    RealUse.TEXTS: "their texts, as the distribution to match",
    RealUse.CLASSES: "their texts and labels, as the distribution of each class to match",
    RealUse.PRIOR: "their label shares",
    RealUse.CHECKER: "they train the quality checker, whose scores the method reads",
    RealUse.GRADIENT: "the loss on them says which rows help",
    RealUse.SELECT: "they choose a checkpoint or rows",
    RealUse.TRAIN: "training rows",
}
REFERENCE, UNKNOWN = "reference", "not in the registry"
# Family by base class; the first that fits counts.
FAMILIES: tuple[tuple[type[Method], str], ...] = (
    (StaticWeights, "weights known before training"),
    (WeightMethod, "weights computed for each batch"),
    (PointwiseLoss, "loss of the label's probability"),
    (Method, "other loss"),
)
FAILS = "Fails: "  # begins the last paragraph of a method's docstring
SHARED = {entry.name for base in (MethodConfig, WeightConfig) for entry in fields(base)}


@dataclass(frozen=True)
class MethodFacts:
    """What the registry says of a method. `formula`: the text at the head of its file, which a family may share.

    `fails`: when it fails, by its formula and in our results; empty where its docstring does not say.
    """

    family: str
    idea: str = ""
    fails: str = ""
    formula: str = ""
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A hyper-parameter of a method's own: its default, its meaning, and what `tuned` searches."""

    name: str
    default: Any
    note: str
    search: tuple[Any, ...]


def facts(name: str) -> MethodFacts:
    """The facts about a method; of one that is not in the registry, such as a plugin's, only that it is not there."""
    cls = registry.discover().get(name)
    return MethodFacts(UNKNOWN) if cls is None else facts_of(cls)


@functools.cache
def facts_of(cls: type[Method]) -> MethodFacts:
    """The facts about a method, from its class and its file."""
    idea, _, fails = inspect.cleandoc(cls.__doc__ or "").partition(f"\n\n{FAILS}")
    return MethodFacts(
        family=family(cls),
        idea=idea,
        fails=" ".join(fails.split()),
        formula=inspect.cleandoc(sys.modules[cls.__module__].__doc__ or ""),
        settings=settings(cls),
    )


def family(cls: type[Method]) -> str:
    """The family of a method: reference methods, then by base class."""
    return REFERENCE if "references" in cls.groups else next(word for base, word in FAMILIES if issubclass(cls, base))


def settings(cls: type[Method]) -> tuple[Setting, ...]:
    """The hyper-parameters that a method does not share with all others."""
    return tuple(
        Setting(
            entry.name, entry.default, str(entry.metadata.get("note", "")), tuple(entry.metadata.get("search") or ())
        )
        for entry in fields(cls.Config())
        if entry.name not in SHARED
    )
