"""Corrects the comparisons of a family together: p-values, verdicts, and intervals that hold for all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.results import Match, Paired, Row, Section
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison, interval
from bench.stats.equivalence import equivalence
from bench.stats.interval import LEVEL
from bench.stats.multiple import CORRECTIONS
from bench.stats.needed import Needed, needed
from bench.stats.power import detectable
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


def p_equivalent(matches: Sequence[Match], delta: float) -> list[float]:
    """p-values of equivalence within +-delta, not corrected for other comparisons; NaN where `Match.p` is."""
    values = iter(equivalence([result for one in matches for result in one.read], delta))
    return [one.over_looks([next(values) for _ in one.read]) for one in matches]


def alone(matches: Sequence[Match], rules: Rules) -> list[Corrected]:
    """The p-values of comparisons each of which is a family of its own."""
    same = p_equivalent(matches, rules.delta)
    return [Corrected(one.p, value, 1, TAIL) for one, value in zip(matches, same, strict=True)]


def correct(matches: Sequence[Match], rules: Rules) -> list[Corrected]:
    """Correct a family. Planned comparisons without a result count, and get NaN.

    Holm: all intervals hold together with 95 % by Bonferroni. Benjamini and Hochberg: a share of 5 % of those that
    exclude 0 may miss (Benjamini and Yekutieli, 2005, JASA 100, 71-81).
    """
    p = CORRECTIONS[rules.correction]([one.p for one in matches])
    same = CORRECTIONS[rules.correction](p_equivalent(matches, rules.delta))
    tail = tail_of(p, rules)
    return [Corrected(float(a), float(b), len(matches), tail) for a, b in zip(p, same, strict=True)]


def tail_of(corrected: FloatArray, rules: Rules) -> float:
    """The probability that the intervals of a family leave on each side; `corrected`: its p-values."""
    if rules.intervals == "plain":
        return TAIL
    found = int((corrected < ALPHA).sum()) if rules.correction == "bh" else 1
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
    if not rejected or rules.intervals == "plain":
        return low, high
    return (max(low, 0.0), high) if difference > 0 else (low, min(high, 0.0))


def judge(matches: Sequence[Match], kinds: Sequence[str], parts: Sequence[Corrected], rules: Rules) -> list[Paired]:
    """The verdicts on matches of these families (`kinds`), from p-values corrected over them.

    Exploratory methods are not corrected. With planned looks, the detectable difference is that of a verdict at the
    look so far, and a simultaneous interval has the share of the error rate of its look: it holds at whichever look one
    stops (repeated confidence intervals, Jennison and Turnbull, 1989, JRSS B 51, 305-361). What would settle the
    comparison is the size of a new run that reads its verdicts once.
    """
    judged = [place for place, one in enumerate(matches) if one.accuracy is not None and not one.withheld]
    results = [result for place in judged if (result := matches[place].accuracy) is not None]
    strict = [round(parts[place].size / matches[place].share) for place in judged]
    found = dict(zip(judged, detectable(results, delta=rules.delta, family=np.array(strict)), strict=True))
    verdicts = {
        place: verdict(
            result,
            parts[place].p,
            parts[place].same,
            delta=rules.delta,
            exploratory=kinds[place] == "exploratory",
            found=found[place],
        )
        for place, result in zip(judged, results, strict=True)
    }
    undecided = [place for place in judged if verdicts[place].word == "undecided"]
    more = needed_by_folds({place: matches[place] for place in undecided}, parts, rules)
    return [
        paired(one, kind, part, rules, verdicts.get(place), more.get(place))
        for place, (one, kind, part) in enumerate(zip(matches, kinds, parts, strict=True))
    ]


def needed_by_folds(matches: Mapping[int, Match], parts: Sequence[Corrected], rules: Rules) -> dict[int, Needed]:
    """What would settle matches, by their places; those of a number of folds are computed together."""
    found: dict[int, Needed] = {}
    for folds in {one.folds for one in matches.values()}:
        own = {
            place: (one, result) for place, one in matches.items() if one.folds == folds and (result := one.accuracy)
        }
        sizes, rows = np.array([parts[place].size for place in own]), [one.rows for one, _ in own.values()]
        results = needed([result for _, result in own.values()], rules.delta, sizes, rows, folds=folds)
        found |= zip(own, results, strict=True)
    return found


def paired(one: Match, kind: str, part: Corrected, rules: Rules, word: Verdict | None, more: Needed | None) -> Paired:
    """A match with its verdict, and what would settle it; `word` is None where it is withheld."""
    exploratory = kind == "exploratory"
    if rules.intervals == "simultaneous":
        part = replace(part, tail=part.tail * one.share)
    spans = ends(one.accuracy, part, rules), ends(one.macro_f1, part, rules, tested=False)
    if word is None:
        nothing = Paired(one.accuracy, one.macro_f1, math.nan, kind, Verdict("", one.withheld), one.withheld, match=one)
        return replace(nothing, interval=spans[0], interval_f1=spans[1], size=part.size)
    return Paired(
        accuracy=one.accuracy,
        macro_f1=one.macro_f1,
        p_corrected=math.nan if exploratory else part.p,
        family=kind,
        verdict=word,
        needed=more,
        size=part.size,
        p_equivalent=part.same,
        p_alone=one.p,
        match=one,
        interval=spans[0],
        interval_f1=spans[1],
    )


def over_report(sections: Sequence[Section], rules: Rules) -> tuple[Section, ...]:
    """The sections with verdicts that are corrected over all of them.

    The core methods are one family, information gains another. Max-T, which needs the correlations of one section, is
    left out.
    """
    if len(sections) < 2:
        return tuple(sections)
    core = over_sections(sections, lambda row: row.paired, "confirmatory", rules)
    gains = over_sections(sections, lambda row: row.information, "information", rules)

    def of(i: int, section: Section) -> Section:
        rows = (
            replace(row, paired=core.get((i, k), row.paired), information=gains.get((i, k), row.information))
            for k, row in enumerate(section.rows)
        )
        return replace(section, rows=tuple(rows))

    return tuple(of(i, section) for i, section in enumerate(sections))


def over_sections(
    sections: Sequence[Section], of: Callable[[Row], Paired | None], kind: str, rules: Rules
) -> dict[tuple[int, int], Paired]:
    """The comparisons of one kind, corrected over all sections; by the places of section and row."""
    matches = {
        (i, k): replace(one.match, withheld=one.withheld)
        for i, section in enumerate(sections)
        for k, row in enumerate(section.rows)
        if (one := of(row)) is not None and one.match is not None and one.family == kind
    }
    parts = correct([*matches.values()], rules)
    return dict(zip(matches, judge([*matches.values()], [kind] * len(matches), parts, rules), strict=True))
