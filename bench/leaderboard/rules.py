"""How a report judges differences: what they are to, what is too small to care about, how they are corrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
