"""How a report judges differences: what they are to, what is too small to care about, how they are corrected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.errors import UserError
from tasks.errors import did_you_mean_or_all


class Correction(StrEnum):
    """What the p-values of a family are corrected by; the functions are in `bench.stats.multiple`."""

    HOLM = "holm"
    BH = "bh"

    @property
    def author(self) -> str:
        """Who a sentence says it is corrected by."""
        return {Correction.HOLM: "Holm", Correction.BH: "Benjamini and Hochberg"}[self]

    @property
    def bounds(self) -> str:
        """What stays below 5 %."""
        return {
            Correction.HOLM: "the chance of any false *better* or *worse*",
            Correction.BH: "the expected share of false ones among the verdicts *better* and *worse*",
        }[self]


@dataclass(frozen=True)
class Rules:
    """`delta`: a share (0.01 is one point). `allow_mixed` pairs cells of different code, versions or device."""

    baseline: str = "ce"
    delta: float = 0.01
    correction: Correction = Correction.HOLM
    allow_mixed: bool = False


USUAL = Rules()


def require_baseline(manifest: Mapping[str, Any], rules: Rules, place: str) -> None:
    """Raise UserError where the baseline is no method of a grid, unless it is the one that nobody asked for."""
    known = sorted({entry["label"] for section in manifest["sections"] for entry in section["methods"]})
    if rules.baseline != Rules.baseline and rules.baseline not in known:
        raise UserError(f"no method {rules.baseline} in {place}{did_you_mean_or_all(rules.baseline, known)}")
