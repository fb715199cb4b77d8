"""Statistics of one comparison, where the functions of `bench.stats` take several."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from bench.stats import equivalence as equivalences
from bench.stats import needed as needs
from bench.stats import power
from bench.stats.crossed import Comparison


def detectable(result: Comparison, **more: Any) -> power.Detectable:
    """The difference that is found with 80 % power."""
    return power.detectable([result], **more)[0]


def effects(result: Comparison) -> power.Effects:
    """The variances that a comparison estimates, as numbers."""
    return power.Effects(*(float(value[0]) for value in astuple(power.effects([result]))))


def extremes(result: Comparison) -> list[power.Effects]:
    """Small and large variances, as numbers."""
    ends = astuple(power.with_extremes([result]))
    return [power.Effects(*(float(value[place, 0]) for value in ends)) for place in (1, 2)]


def needed(result: Comparison, delta: float, family: int = 1, rows: int | None = None, **more: Any) -> needs.Needed:
    """How many seeds or rows would settle a comparison."""
    return needs.needed([result], delta, family, None if rows is None else [rows], **more)[0]


def equivalence(result: Comparison, delta: float) -> float:
    """p of the null that the difference is not within the margin."""
    return equivalences.equivalence([result], delta)[0]
