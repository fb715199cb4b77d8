"""The rules by which a report compares methods: baseline, equivalence margin, correction, family, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from bench.config.run_arguments import Correction, Family, Intervals
from bench.errors import UserError
from tasks.errors import did_you_mean_or_all

CHOICES: dict[str, tuple[str, ...]] = {
    "correction": get_args(Correction),
    "family": get_args(Family),
    "intervals": get_args(Intervals),
}


@dataclass(frozen=True)
class Rules:
    """The rules of a comparison.

    `delta`: the equivalence margin as a share; 0.01 is one point. `allow_mixed`: whether cells of different code,
    versions or devices are paired.
    """

    baseline: str = "ce"
    delta: float = 0.01
    correction: Correction = "holm"
    allow_mixed: bool = False
    family: Family = "task"
    intervals: Intervals = "simultaneous"

    @property
    def author(self) -> str:
        """The name of the correction in a sentence: corrected by ..."""
        return {"holm": "Holm", "bh": "Benjamini and Hochberg"}[self.correction]

    @property
    def short(self) -> str:
        """The name of the correction in the head of a table."""
        return {"holm": "Holm", "bh": "BH"}[self.correction]

    @property
    def bounds(self) -> str:
        """The error rate that the correction keeps at 5 % or less."""
        return {
            "holm": "the chance of any false *better* or *worse*",
            "bh": "the expected share of false ones among the verdicts *better* and *worse*",
        }[self.correction]

    @property
    def kind_of_interval(self) -> str:
        """The intervals of differences in the head of a table."""
        if self.intervals == "plain":
            return "95 %"
        return {"holm": "simultaneous 95 %", "bh": "95 %, corrected by BH"}[self.correction]


USUAL = Rules()


def require_baseline(manifest: Mapping[str, Any], rules: Rules, place: str) -> None:
    """Raise UserError where the grid has no such baseline; the default one may be missing."""
    known = sorted({entry["label"] for section in manifest["sections"] for entry in section["methods"]})
    if rules.baseline != Rules.baseline and rules.baseline not in known:
        raise UserError(
            f"--baseline {rules.baseline}: no such method in {place}{did_you_mean_or_all(rules.baseline, known)}"
        )
