"""The results that every format of the report is rendered from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.arrays import FloatArray
from bench.leaderboard.read.cells import Absent, Cell
from bench.leaderboard.read.provenance import Provenance
from bench.leaderboard.read.scores import Examples
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison
from bench.stats.interval import Interval
from bench.stats.needed import Needed
from bench.stats.verdict import Verdict
from bench.store.layout import ENVIRONMENT


@dataclass(frozen=True)
class Paired:
    """A method's differences to another's. `p_corrected` is NaN outside the family, or where there is no verdict.

    `p_max_t`: the same by step-down max-T, for information. `family`: *confirmatory* (core methods, corrected over all
    that were planned), *exploratory* (the rest, uncorrected) or empty (the baseline). `withheld` says why there is no
    difference, or no verdict on it. `needed`: what would settle an undecided one.
    """

    accuracy: Comparison | None
    macro_f1: Comparison | None
    p_corrected: float
    family: str
    verdict: Verdict
    withheld: str = ""
    p_max_t: float = math.nan
    needed: Needed | None = None


@dataclass(frozen=True)
class Match:
    """The differences of two rows on their common seeds, and why they do not count (`withheld`, empty if they do)."""

    accuracy: Comparison | None = None
    macro_f1: Comparison | None = None
    withheld: str = ""

    @property
    def p(self) -> float:
        """Uncorrected p; NaN where there is none that counts."""
        return math.nan if self.accuracy is None or self.withheld else self.accuracy.p


@dataclass(frozen=True)
class Pairs:
    """(M, M) differences of accuracy, row minus column, of complete methods of the same seeds and environment.

    `p`: corrected over the M (M - 1)/2 pairs. `words`: better, worse, equivalent or undecided. `best`:
    the labels of the methods that may be the best, with an error of at most 5 % for the section.
    """

    labels: tuple[str, ...]
    difference: FloatArray
    p: FloatArray
    words: tuple[tuple[str, ...], ...]
    best: frozenset[str]


@dataclass(frozen=True)
class Costs:
    """Passes as multiples of a `ce` cell's, and mean seconds; standalone: with every artefact that is needed."""

    passes: float
    passes_standalone: float
    seconds: float
    seconds_standalone: float


@dataclass(frozen=True)
class Row:
    """One method label in one section. `spec` is its entry in the manifest, `metrics` what its seeds say, by name."""

    spec: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: Mapping[int, Cell]
    absent: Mapping[int, Absent]
    metrics: Mapping[str, Interval]
    costs: Costs
    is_baseline: bool = False
    paired: Paired | None = None
    information: Paired | None = None  # against its within-class shuffle, where that is there
    best: bool | None = None  # may be the best of its section; None where it cannot be compared

    @property
    def accuracy(self) -> Interval:
        """Accuracy over its seeds."""
        return self.metrics["accuracy"]

    @property
    def label(self) -> str:
        """The method with the hyper-parameters that differ from its defaults."""
        return str(self.spec["label"])

    @cached_property
    def environments(self) -> dict[str, set[str]]:
        """What the cells were made by, as far as it decides whether they are paired."""
        found = [cell.environment for cell in self.cells.values()]
        return {key: {str(one.get(key, "unknown")) for one in found} for key in ENVIRONMENT}

    @property
    def complete(self) -> bool:
        """Whether every planned seed has a result."""
        return len(self.cells) == len(self.seeds)


@dataclass(frozen=True)
class Quality:
    """Test accuracy of the quality checkers, mean over `n` seeds (NaN if none is there)."""

    n: int
    accuracy: float


@dataclass(frozen=True)
class Section:
    """The methods of one task, source, encoder, preset, protocol and sizes, best first. `spec`: its manifest entry."""

    spec: Mapping[str, Any]
    rows: tuple[Row, ...]
    quality: Quality
    baseline: str
    classes: int
    test: Examples | None
    pairs: Pairs | None
    root: Path  # what the paths of its cells and checkers are below
    axes: tuple[str, ...] = ()  # the values by which it differs from other sections of its task


@dataclass(frozen=True)
class Table:
    """The whole report."""

    manifest: Mapping[str, Any]
    sections: tuple[Section, ...]
    provenance: Provenance
    rules: Rules
