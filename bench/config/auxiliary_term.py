"""The auxiliary loss term of a grid, from an expression such as `simcse(weight=0.1)`."""

from __future__ import annotations

from dataclasses import replace

from bench.config.expressions import parse_one
from bench.config.settings import Settings
from bench.config.typed import build, label
from bench.errors import unknown
from methods.auxiliary import AUXILIARIES, SimCSE


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
