"""Corrects the comparisons of a family together: p-values, verdicts, and intervals that hold for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.arrays import FloatArray
from bench.leaderboard.results import Match, Paired, Section
from bench.leaderboard.rules import Correction, Family, Intervals, Rules
from bench.stats.crossed import Comparison, interval
from bench.stats.interval import LEVEL
from bench.stats.multiple import CORRECTIONS
from bench.stats.needed import needed
from bench.stats.verdict import ALPHA, Verdict, verdict

Ends = tuple[float, float]

TAIL = (1 - LEVEL) / 2  # of a plain interval, on each side


@dataclass(frozen=True)
class Corrected:
    """The p-values of one comparison, of a difference and of equivalence, corrected over a family of `size`.

    `tail`: the probability that its interval leaves on each side. `rejected`: whether p is below 5 %.
    """

    p: float
    same: float
    size: int
    tail: float

    @property
    def rejected(self) -> bool:
        """Whether the comparison is significant."""
        return self.p < ALPHA


def alone(one: Match, rules: Rules) -> Corrected:
    """The p-values of a comparison that is a family of its own."""
    return Corrected(one.p, one.p_equivalent(rules.delta), 1, TAIL)


def correct(matches: Sequence[Match], rules: Rules) -> list[Corrected]:
    """Correct a family. Planned comparisons without a result count, and get NaN.

    Holm: all intervals hold together with 95 % by Bonferroni. Benjamini and Hochberg: a share of 5 % of those that
    exclude 0 may miss (Benjamini and Yekutieli, 2005, JASA 100, 71-81).
    """
    p = CORRECTIONS[rules.correction]([one.p for one in matches])
    same = CORRECTIONS[rules.correction]([one.p_equivalent(rules.delta) for one in matches])
    tail = tail_of(p, rules)
    return [Corrected(float(a), float(b), len(matches), tail) for a, b in zip(p, same, strict=True)]


def tail_of(corrected: FloatArray, rules: Rules) -> float:
    """The probability that the intervals of a family leave on each side; `corrected`: its p-values."""
    if rules.intervals is Intervals.PLAIN:
        return TAIL
    found = int((corrected < ALPHA).sum()) if rules.correction is Correction.BH else 1
    return TAIL * max(found, 1) / max(len(corrected), 1)


def ends(
    result: Comparison | None, part: Corrected, rules: Rules, *, tested: bool = True
) -> tuple[float, float] | None:
    """The interval of a comparison in its family.

    Holm rejects more than Bonferroni: then 0 is excluded too, and the interval ends there (Guilbaud, 2008, Biometrical
    Journal 50, 678-692). `tested`: the verdict is on this metric.
    """
    if result is None or math.isnan(result.low):
        return None
    return clipped(result.difference, interval(result, part.tail), rejected=tested and part.rejected, rules=rules)


def clipped(difference: float, span: Ends, *, rejected: bool, rules: Rules) -> Ends:
    """The interval without what no difference can be, and without the values beyond 0 if 0 is rejected."""
    low, high = max(span[0], -1.0), min(span[1], 1.0)
    if not rejected or rules.intervals is Intervals.PLAIN:
        return low, high
    return (max(low, 0.0), high) if difference > 0 else (low, min(high, 0.0))


def judge(one: Match, kind: str, part: Corrected, rules: Rules) -> Paired:
    """The verdict on a match of this family (`kind`), from p-values corrected over the family.

    Exploratory methods are not corrected. With planned looks, the detectable difference is that of a verdict at the
    look so far, and a simultaneous interval has the share of the error rate of its look: it holds at whichever look one
    stops (repeated confidence intervals, Jennison and Turnbull, 1989, JRSS B 51, 305-361). What would settle the
    comparison is the size of a new run that reads its verdicts once.
    """
    exploratory = kind == "exploratory"
    if rules.intervals is Intervals.SIMULTANEOUS:
        part = replace(part, tail=part.tail * one.share)
    spans = ends(one.accuracy, part, rules), ends(one.macro_f1, part, rules, tested=False)
    if one.accuracy is None or one.withheld:
        nothing = Paired(one.accuracy, one.macro_f1, math.nan, kind, Verdict("", one.withheld), one.withheld, match=one)
        return replace(nothing, interval=spans[0], interval_f1=spans[1], size=part.size)
    strict = round(part.size / one.share)
    word = verdict(one.accuracy, part.p, part.same, family=strict, delta=rules.delta, exploratory=exploratory)
    return Paired(
        accuracy=one.accuracy,
        macro_f1=one.macro_f1,
        p_corrected=math.nan if exploratory else part.p,
        family=kind,
        verdict=word,
        needed=needed(one.accuracy, rules.delta, part.size, one.rows, folds=one.folds)
        if word.word == "undecided"
        else None,
        size=part.size,
        p_equivalent=part.same,
        p_alone=one.p,
        match=one,
        interval=spans[0],
        interval_f1=spans[1],
    )


def over_report(sections: Sequence[Section], rules: Rules) -> tuple[Section, ...]:
    """The sections with verdicts that are corrected over the core methods of all of them, if the rules say so.

    Max-T, which needs the correlations of one section, is left out. Information gains keep their family.
    """
    if rules.family is not Family.REPORT or len(sections) < 2:
        return tuple(sections)
    matches = {
        (i, k): replace(row.paired.match, withheld=row.paired.withheld)
        for i, section in enumerate(sections)
        for k, row in enumerate(section.rows)
        if row.paired is not None and row.paired.match is not None and row.paired.family == "confirmatory"
    }
    parts = dict(zip(matches, correct(list(matches.values()), rules), strict=True))
    judged = {place: judge(one, "confirmatory", parts[place], rules) for place, one in matches.items()}

    def of(i: int, section: Section) -> Section:
        rows = (replace(row, paired=judged.get((i, k), row.paired)) for k, row in enumerate(section.rows))
        return replace(section, rows=tuple(rows))

    return tuple(of(i, section) for i, section in enumerate(sections))
