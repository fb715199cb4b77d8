"""The rules by which a report compares methods: baseline, equivalence margin, correction, family, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.errors import UserError
from tasks.errors import did_you_mean_or_all


class Correction(StrEnum):
    """How the p-values of a family are corrected; the functions are in `bench.stats.multiple`."""

    HOLM = "holm"
    BH = "bh"

    @property
    def author(self) -> str:
        """The name of the correction in a sentence: corrected by ..."""
        return {Correction.HOLM: "Holm", Correction.BH: "Benjamini and Hochberg"}[self]

    @property
    def short(self) -> str:
        """The name of the correction in the head of a table."""
        return {Correction.HOLM: "Holm", Correction.BH: "BH"}[self]

    @property
    def bounds(self) -> str:
        """The error rate that the correction keeps at 5 % or less."""
        return {
            Correction.HOLM: "the chance of any false *better* or *worse*",
            Correction.BH: "the expected share of false ones among the verdicts *better* and *worse*",
        }[self]


class Family(StrEnum):
    """The comparisons over which p-values are corrected: the core methods of one section, or of the whole report."""

    TASK = "task"
    REPORT = "report"


class Intervals(StrEnum):
    """The intervals of differences: those of the verdicts, for all of a family together, or each for itself."""

    SIMULTANEOUS = "simultaneous"
    PLAIN = "plain"


@dataclass(frozen=True)
class Rules:
    """The rules of a comparison.

    `delta`: the equivalence margin as a share; 0.01 is one point. `allow_mixed`: whether cells of different code,
    versions or devices are paired.
    """

    baseline: str = "ce"
    delta: float = 0.01
    correction: Correction = Correction.HOLM
    allow_mixed: bool = False
    family: Family = Family.TASK
    intervals: Intervals = Intervals.SIMULTANEOUS

    @property
    def kind_of_interval(self) -> str:
        """The intervals of differences in the head of a table."""
        if self.intervals is Intervals.PLAIN:
            return "95 %"
        return {Correction.HOLM: "simultaneous 95 %", Correction.BH: "95 %, corrected by BH"}[self.correction]


USUAL = Rules()


def require_baseline(manifest: Mapping[str, Any], rules: Rules, place: str) -> None:
    """Raise UserError where the grid has no such baseline; the default one may be missing."""
    known = sorted({entry["label"] for section in manifest["sections"] for entry in section["methods"]})
    if rules.baseline != Rules.baseline and rules.baseline not in known:
        raise UserError(
            f"--baseline {rules.baseline}: no such method in {place}{did_you_mean_or_all(rules.baseline, known)}"
        )
