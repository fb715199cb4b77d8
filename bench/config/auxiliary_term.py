"""The auxiliary term that a grid asks for, from `simcse(weight=0.1)` as it is typed."""

from __future__ import annotations

from dataclasses import replace

from bench.config.expressions import parse_one
from bench.config.settings import Settings
from bench.config.typed import build, label
from bench.errors import unknown
from methods.auxiliary import AUXILIARIES, SimCSE


def auxiliary(text: str) -> SimCSE:
    """The configured term. Raises UserError for an unknown name or setting, naming the nearest."""
    ref = parse_one(text, "()")
    if ref.name not in AUXILIARIES:
        raise unknown("auxiliary term", ref.name, AUXILIARIES)
    return build(AUXILIARIES[ref.name], ref.options, ref.name)


def with_auxiliary(settings: Settings) -> Settings:
    """The settings with their term written the one way that its values have; weight 0 is no term."""
    if settings.auxiliary is None:
        return settings
    term, name = auxiliary(settings.auxiliary), parse_one(settings.auxiliary, "()").name
    return replace(settings, auxiliary=label(name, term) if term.weight else None)
