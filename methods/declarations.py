"""What a method declares, checked where a file or package of methods is loaded: mistakes are found before a grid is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_type_hints

from methods.base import (
    COLUMN,
    DIVERSITY,
    DIVERSITY_OOF,
    DIVERSITY_REAL,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
    Method,
    MethodConfig,
    RealUse,
    WeightConfig,
    WeightMethod,
)
from methods.hooks import Budget

OF_REAL_ROWS = (QUALITY, QUALITY_OOF, DIVERSITY_REAL, REAL_EMBEDDINGS, REAL_TOKENS)  # tables that they are read for
TABLES = (*OF_REAL_ROWS, DIVERSITY, DIVERSITY_OOF, DYNAMICS, EMBEDDINGS, TOKENS)


def fault(cls: type[Method]) -> str:
    """The first thing that is wrong with the declarations of a method; empty if nothing is.

    An error in the method's own code, such as that of `declared_cost`, is raised.
    """
    return next(faults(cls), "")


def faults(cls: type[Method]) -> Iterator[str]:
    """What is wrong with the declarations of a method. A later check relies on the earlier ones."""
    if inspect.isabstract(cls):
        yield f"lacks {', '.join(sorted(cls.__abstractmethods__))}"
    for name in ("requires", "groups", "packages"):
        if not is_names(value := getattr(cls, name)):
            yield (
                f"{name} is a tuple of texts, such as {name} = ({value!r},)"
                if isinstance(value, str)
                else (f"{name} is a tuple of texts, not {value!r}")
            )
    yield from config_faults(cls)
    config = cls(cls.Config()).config
    required = (*cls.requires, *cls.requires_of(config))
    for table in required:
        if table not in TABLES and not table.startswith(COLUMN):
            yield f"requires has {table!r}, which is no table: {', '.join(TABLES)}, or column(NAME)"
    if not isinstance(cls.real_use, RealUse):
        yield f"real_use is one of {', '.join(f'RealUse.{use.name}' for use in RealUse)}, not {cls.real_use!r}"
    if (tables := [table for table in required if table in OF_REAL_ROWS]) and cls.real_use_of(config) is RealUse.NONE:
        yield f"requires {tables[0]}, which is made of real rows; say how with real_use, such as RealUse.CHECKER"
    if cls.pairing not in ("full", "partial"):
        yield f"pairing is 'full' or 'partial', not {cls.pairing!r}"
    for name in ("version", "networks"):
        if not is_number(value := getattr(cls, name)) or value < 1 or value != int(value):
            yield f"{name} is a whole number of 1 or more, not {value!r}"
    if not is_number(cost := cls.declared_cost(config, Budget())) or not cost > 0:
        yield f"declared_cost gives a number above 0, not {cost!r}"


def config_faults(cls: type[Method]) -> Iterator[str]:
    """What is wrong with the class of a method's settings, and with their defaults and ranges."""
    base = WeightConfig if issubclass(cls, WeightMethod) else MethodConfig
    if not isinstance(cls.Config, type) or not issubclass(cls.Config, base):
        yield f"Config is a class that derives from {base.__name__}"
    if inspect.get_annotations(cls.Config).keys() - vars(cls.Config).get("__dataclass_fields__", {}).keys():
        yield f"its settings are not read; decorate {cls.Config.__name__} with @dataclass(frozen=True)"
    get_type_hints(cls.Config)
    config = cls.Config()
    for entry in fields(config):
        if isinstance(value := getattr(config, entry.name), list | dict | set):
            yield f"setting {entry.name}: its default cannot be changed in place; a tuple can stand for {value!r}"
        yield from search_faults(entry.name, entry.metadata.get("search"), log=bool(entry.metadata.get("log")))


def search_faults(name: str, search: Any, *, log: bool) -> Iterator[str]:
    """What is wrong with the range or the choices that `tuned` draws a setting from."""
    if search is None:
        return
    if not isinstance(search, tuple | list) or not search:
        yield f"setting {name}: search is a range (low, high) or several choices, not {search!r}"
    elif len(search) == 2 and all(map(is_number, search)):
        if not search[0] < search[1]:
            yield f"setting {name}: search begins at {search[0]} and ends at {search[1]}"
        if log and search[0] <= 0:
            yield f"setting {name}: a search on a logarithmic scale begins above 0, not at {search[0]}"


def is_names(value: Any) -> bool:
    """Whether something is a tuple or list of texts."""
    return isinstance(value, tuple | list) and all(isinstance(name, str) for name in value)


def is_number(value: Any) -> bool:
    """Whether something is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)
