"""The limits that a method states for a setting are those that it keeps: "must lie in [0, 1)" takes 0 and refuses 1."""

from __future__ import annotations

import math
import re
from dataclasses import fields

import pytest

from methods import METHODS

BETWEEN = re.compile(r"(\w+) must lie between (\d+) and (\d+), not ")
LARGER = re.compile(r"(\w+) must be larger than (\d+)")
STATED = re.compile(r"(\w+) must lie in ([\[(])(\S+), (\S+?)([\])]), not ")
FAR = (-1e30, 1e30, math.nan)


# The numeric settings of all methods that have a default, as method and name.
SETTINGS = [
    (name, entry.name)
    for name, method in METHODS.items()
    for entry in fields(method.Config)
    if isinstance(entry.default, int | float) and not isinstance(entry.default, bool)
]


def refusal(method: str, setting: str, value: float) -> str:
    """Why a method refuses a value of a setting; empty if it takes it."""
    config = METHODS[method].Config
    whole = isinstance(next(entry.default for entry in fields(config) if entry.name == setting), int)
    try:
        config(**{setting: int(value) if whole and math.isfinite(value) else value})
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("method", "setting"), SETTINGS)
def test_the_ends_of_a_range_are_taken_or_refused_as_it_says(method: str, setting: str) -> None:
    reasons = [refusal(method, setting, value) for value in FAR]
    ends: dict[float, bool] = {}  # end of the range -> whether it belongs to it
    for reason in reasons:
        if match := STATED.match(reason):
            ends |= {float(match[3]): match[2] == "[", float(match[4]): match[5] == "]"}
        elif match := LARGER.match(reason):
            ends |= {float(match[2]): False, float(match[2]) + 1: True}
        elif match := BETWEEN.match(reason):
            ends |= {float(match[2]): False, float(match[3]): False}
    assert ends or "real_share needs" in reasons[0], f"{method}({setting}=...) states no range: {reasons}"
    for end, belongs in ends.items():
        if math.isfinite(end):
            reason = refusal(method, setting, end)
            assert (f"{setting} must " not in reason) == belongs, f"{setting}={end}: {reason or 'is taken'}"
