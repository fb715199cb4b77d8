"""The results of a report, from which every format is rendered.

A `Report` has sections, a `Section` has a `Row` per method, and a row has the method's cells, metrics and comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.arrays import FloatArray
from bench.leaderboard.read.cells import Absent, Cell
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.read.provenance import Provenance
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison
from bench.stats.equivalence import non_inferior
from bench.stats.interval import Interval
from bench.stats.looks import over_looks, shares
from bench.stats.needed import Needed
from bench.stats.verdict import Verdict
from bench.store.layout import ENVIRONMENT


@dataclass(frozen=True, eq=False)
class Report:
    """A whole report: all sections, with the rules by which methods were compared."""

    manifest: Mapping[str, Any]
    sections: tuple[Section, ...]
    provenance: Provenance
    rules: Rules


@dataclass(frozen=True)
class Section:
    """All methods on one task, source, encoder, preset, protocol and sizes, best first. `spec`: its manifest entry."""

    spec: Mapping[str, Any]
    rows: tuple[Row, ...]
    quality: Quality
    baseline: str
    classes: int
    test: Examples | None
    pairs: Pairs | None
    rules: Rules
    root: Path  # the folder that the paths of its cells and checkers are relative to
    axes: tuple[str, ...] = ()  # its values where the sections of the task differ, e.g. ("full", "fixed")
    uninformative: tuple[str, ...] = ()  # why it has no verdicts and no ranking; empty if it has
    far: tuple[Far, ...] = ()  # seeds that lie far from the others of their method
    beat_majority: frozenset[str] = frozenset()  # the methods shown to be better than a constant guess
    advice: Advice | None = None  # None where the section is not informative


@dataclass(frozen=True)
class Far:
    """A seed whose accuracy lies far from that of its method's other seeds, `others` being their median.

    `words`: the verdicts with and without this seed, by method: those that change, and that of the method itself.
    """

    label: str
    seed: int
    accuracy: float
    others: float
    words: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Quality:
    """Mean test metrics of the quality checkers over `n` seeds; NaN if there are none."""

    n: int
    accuracy: float
    log_loss: float
    ece: float


@dataclass(frozen=True, eq=False)
class Row:
    """One method in one section. `spec`: its manifest entry; `metrics`: means and intervals over seeds, by name."""

    spec: Mapping[str, Any]
    seeds: tuple[int, ...]
    cells: Mapping[int, Cell]
    absent: Mapping[int, Absent]
    metrics: Mapping[str, Interval]
    costs: Costs
    is_baseline: bool = False
    paired: Paired | None = None
    information: Paired | None = None  # against its within-class shuffle, if the section has it
    best: bool | None = None  # in the best group of its section; None where it cannot be compared

    @property
    def accuracy(self) -> Interval:
        """Mean accuracy with its interval over seeds."""
        return self.metrics["accuracy"]

    @property
    def label(self) -> str:
        """The method with the hyper-parameters that differ from its defaults."""
        return str(self.spec["label"])

    @property
    def word(self) -> str:
        """The word of its verdict against the baseline; empty without a verdict."""
        return self.paired.verdict.word if self.paired else ""

    @property
    def shown(self) -> Comparison | None:
        """The difference of its accuracy to the baseline's, with the interval that reports show."""
        return self.paired.shown if self.paired else None

    @cached_property
    def environments(self) -> dict[str, set[str]]:
        """Code, versions and device of the cells: values by key, for the keys that two rows must share to be paired."""
        cells = [cell.environment for cell in self.cells.values()]
        return {key: {str(environment.get(key, "unknown")) for environment in cells} for key in ENVIRONMENT}

    @property
    def complete(self) -> bool:
        """Whether every planned seed has a result."""
        return len(self.cells) == len(self.seeds)


def find(rows: Sequence[Row], label: str) -> Row | None:
    """The row with a label, if there is one."""
    return next((row for row in rows if row.label == label), None)


@dataclass(frozen=True)
class Costs:
    """Passes as multiples of a `ce` cell's, and mean seconds. Standalone: with the precomputed tables it needs."""

    passes: float
    passes_standalone: float
    seconds: float
    seconds_standalone: float


@dataclass(frozen=True)
class Paired:
    """A method compared with another one (the baseline, or its own within-class shuffle), and the verdict.

    `p_corrected`: corrected over the family; NaN for exploratory methods and where there is no verdict.
    `p_max_t`: the same by step-down max-T, for information; no verdict uses it.
    `p_equivalent`: of the null that the true difference is not within the margin, corrected in the same way.
    `family`: *confirmatory* (core methods, corrected over all that were planned), *exploratory* (all other methods, not
    corrected), *information* (against the shuffle, corrected over these comparisons) or empty (the baseline).
    `p_alone`: not corrected for other comparisons, but over the planned looks where there are any.
    `size`: over how many comparisons the verdict is corrected; 1 for an exploratory method.
    `withheld`: why there is no difference or no verdict; empty otherwise.
    `needed`: how many seeds or test rows would settle an undecided comparison.
    `match`: the difference that was judged.
    `interval`, `interval_f1`: the ends of the intervals that the report shows, by its rules; None: the plain ones.
    """

    accuracy: Comparison | None
    macro_f1: Comparison | None
    p_corrected: float
    family: str
    verdict: Verdict
    withheld: str = ""
    p_max_t: float = math.nan
    needed: Needed | None = None
    size: int = 1
    p_equivalent: float = math.nan
    p_alone: float = math.nan
    match: Match | None = None
    interval: tuple[float, float] | None = None
    interval_f1: tuple[float, float] | None = None

    @property
    def shown(self) -> Comparison | None:
        """The difference of accuracy with the interval that the report shows."""
        return spanned(self.accuracy, self.interval)

    @property
    def shown_f1(self) -> Comparison | None:
        """The difference of macro-F1 with the interval that the report shows."""
        return spanned(self.macro_f1, self.interval_f1)


def spanned(result: Comparison | None, ends: tuple[float, float] | None) -> Comparison | None:
    """A comparison with another interval; as it is without one."""
    return result if result is None or ends is None else replace(result, low=ends[0], high=ends[1])


@dataclass(frozen=True)
class Match:
    """Differences of two rows on their common seeds. `withheld`: why they allow no verdict; empty if they do.

    `looks`: the numbers of seeds at which verdicts are read, if that was planned; `at_looks`: accuracy at those so far.
    `rows`: the test rows; more than the examples of `accuracy` where these are clusters. Of a cross-validation in
    `folds`, all real rows, of which these seeds tested some (`tested`).
    """

    accuracy: Comparison | None = None
    macro_f1: Comparison | None = None
    withheld: str = ""
    looks: tuple[int, ...] = ()
    at_looks: tuple[Comparison, ...] = ()
    rows: int = 0
    tested: int = 0
    folds: int = 0

    @property
    def p(self) -> float:
        """p-value of accuracy, over the planned looks, not corrected for other comparisons.

        NaN without a difference or where a verdict is withheld.
        """
        return self.over_looks([result.p for result in self.read])

    def p_non_inferior(self, margin: float) -> float:
        """p-value of the null that accuracy is worse by `margin` or more; like `p`."""
        return self.over_looks([non_inferior(result, margin) for result in self.read])

    @property
    def read(self) -> tuple[Comparison, ...]:
        """The differences that the verdict reads: those at the looks so far, or the one; none if it is withheld."""
        if self.accuracy is None or self.withheld:
            return ()
        return self.at_looks if self.looks else (self.accuracy,)

    def over_looks(self, p: Sequence[float]) -> float:
        """The p-value of a match from those of what the verdict reads; NaN if it reads nothing."""
        if not p:
            return math.nan
        return over_looks(p, self.looks) if self.looks else p[0]

    @property
    def share(self) -> float:
        """The share of the 5 % that the last look may use; 1 if verdicts are read once."""
        return float(shares(self.looks)[len(self.at_looks) - 1]) if self.looks else 1.0


@dataclass(frozen=True)
class Pairs:
    """All pairs of the M complete methods that share an environment; arrays are (M, M), row minus column.

    `difference`: of accuracy. `p`: corrected over the M (M - 1)/2 pairs. `words`: better, worse, equivalent or
    undecided. `best`: labels of the best group; the best method is missing from it with probability at most 5 %.
    """

    labels: tuple[str, ...]
    difference: FloatArray
    p: FloatArray
    words: tuple[tuple[str, ...], ...]
    best: frozenset[str]


class Helps(StrEnum):
    """Whether training on the generated set is better than training on the real rows alone."""

    YES = "yes"  # at least one core method with generated rows is shown to be better
    NO = "no"  # every such method is shown to be worse, or equivalent
    OPEN = "open"
    UNKNOWN = "unknown"  # there is no real-only to compare with


@dataclass(frozen=True)
class Against:
    """A method compared with another one, `reference`."""

    label: str
    reference: str
    paired: Paired


@dataclass(frozen=True)
class Advice:
    """The advice of an informative section; `bench.leaderboard.advice` has the rules.

    `helped`: core methods with generated rows that are shown to be better than real-only, best first; `closest`: of
    those that are not, the one with the highest accuracy; `with_generated`: how many were compared with real-only.
    `choice`: the method to use; None if no method is comparable.
    `over_plain`, `over_real`: what it is worth; None where the reference is missing, incomplete or the choice itself.
    `over_choice`: the method for a case where nothing is decided, against the choice; None where they are not compared.
    `rivals`: the other core methods of the best group. `two_sided_rival`: the method of the open question about the
    choice where it is not in the best group, whose tests are one-sided. `apart`: complete core methods that cannot be
    compared with the choice, because seeds, code or device differ.
    `question`: the comparison that matters most of those that are open.
    `beat_majority`: which of the `measured` methods are shown to be better than a constant guess.
    """

    helps: Helps
    helped: tuple[Against, ...] = ()
    closest: Against | None = None
    with_generated: int = 0
    choice: str | None = None
    over_plain: Against | None = None
    over_real: Against | None = None
    over_choice: Against | None = None
    rivals: tuple[str, ...] = ()
    two_sided_rival: str | None = None
    apart: tuple[str, ...] = ()
    exploratory_above: tuple[str, ...] = ()
    question: Against | None = None
    beat_majority: frozenset[str] = field(default_factory=frozenset)
    measured: int = 0
