"""Seeds at which a method's accuracy lies far from that at its other seeds, and the verdicts without them.

No t test can know of a training that collapses once in ten times: where these seeds lack it, the method looks better
than it is, and where they have it, the variance hides everything. So such a seed is named, with the verdicts without
it, and counts. It is far if it differs from the median of the method's other seeds by more than `POINTS` and by more
than `SDS` standard deviations between seeds, the median of the methods (the lower one of two). A collapse in fewer than
half of the methods does not move it. A method whose seeds spread more than those of the others is named for that too: a
condition on the spread of its own other seeds would not find two collapses of one method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import median, median_low, stdev

from bench.leaderboard.compare.baseline import match
from bench.leaderboard.compare.families import p_equivalent
from bench.leaderboard.results import Far, Match, Row, Section, find
from bench.leaderboard.rules import Rules
from bench.stats.multiple import CORRECTIONS
from bench.stats.verdict import word_of

Values = tuple[float, float]  # p of a difference and of equivalence, not corrected

POINTS = 0.05  # least distance, as a share
SDS = 6.0
FEWEST = 3  # seeds: of two, either may be the odd one


def with_far(sections: Sequence[Section], rules: Rules) -> tuple[Section, ...]:
    """The sections with their far seeds. `sections`: with their final verdicts; those without any have no far seeds."""
    known = CoreValues(sections, rules)
    return tuple(
        section
        if section.test is None or section.uninformative
        else replace(section, far=far_of(place, known, section.rows))
        for place, section in enumerate(sections)
    )


class CoreValues:
    """The p-values of the core comparisons of some sections, each computed once, and their families."""

    def __init__(self, sections: Sequence[Section], rules: Rules) -> None:
        self.sections, self.rules = sections, rules
        self.of_section = cache(self._of_section)

    def _of_section(self, place: int) -> dict[tuple[int, str], Values]:
        matches = {
            (place, row.label): replace(row.paired.match, withheld=row.paired.withheld)
            for row in self.sections[place].rows
            if row.paired is not None and row.paired.match is not None and row.paired.family == "confirmatory"
        }
        return dict(zip(matches, self.values([*matches.values()]), strict=True))

    def values(self, matches: Sequence[Match]) -> list[Values]:
        """The p-values of matches."""
        return [(one.p, same) for one, same in zip(matches, p_equivalent(matches, self.rules.delta), strict=True)]

    def words(self, place: int, changed: Mapping[str, Match]) -> dict[str, str]:
        """The verdicts of a section in which some matches have changed, by method; empty where there is none."""
        whole = self.rules.family == "report"
        places = range(len(self.sections)) if whole else [place]
        own = dict(zip(changed, self.values([*changed.values()]), strict=True))
        family = {key: value for at in places for key, value in self.of_section(at).items()}
        family |= {(place, label): value for label, value in own.items() if (place, label) in family}
        corrected = [CORRECTIONS[self.rules.correction](part) for part in zip(*family.values(), strict=True)]
        of_core = dict(zip(family, zip(*corrected, strict=True), strict=True))
        words = {}
        for row in self.sections[place].rows:
            one = changed.get(row.label, row.paired.match if row.paired else None)
            if one is None or one.accuracy is None or one.withheld:
                words[row.label] = ""
                continue
            p, same = of_core.get((place, row.label)) or own.get(row.label) or self.values([one])[0]
            words[row.label] = word_of(one.accuracy.difference, p, same)
        return words


def far_of(place: int, known: CoreValues, rows: Sequence[Row]) -> tuple[Far, ...]:
    """The far seeds of the section number `place`, with these rows."""
    found = far_seeds({row.label: {seed: cell.accuracy for seed, cell in row.cells.items()} for row in rows})
    return tuple(far(place, label, seed, known) for label, seed in found)


def far(place: int, label: str, seed: int, known: CoreValues) -> Far:
    """One far seed with the verdicts that change without it, corrected over the family of the report."""
    section = known.sections[place]
    rows = section.rows
    fewer = [without(row, seed) if row.label == label else row for row in rows]
    base = find(fewer, known.rules.baseline)
    assert section.test is not None, "a section with verdicts has test rows"
    chosen = [row for row in fewer if label in (row.label, known.rules.baseline)]
    matches = match(chosen, base, section.test, known.rules, section.spec.get("looks", ()))
    changed = {row.label: one for row, one in zip(chosen, matches, strict=True)}
    after = known.words(place, changed)
    before = {row.label: row.word for row in rows}
    words = {name: (before[name], after[name]) for name in before if before[name] != after[name] or name == label}
    cells = next(row.cells for row in rows if row.label == label)
    others = median(cell.accuracy for at, cell in cells.items() if at != seed)
    return Far(label, seed, cells[seed].accuracy, others, {name: pair for name, pair in words.items() if any(pair)})


def without(row: Row, seed: int) -> Row:
    """The row as if this seed had not been planned."""
    cells = {at: cell for at, cell in row.cells.items() if at != seed}
    return replace(row, cells=cells, seeds=tuple(at for at in row.seeds if at != seed))


def far_seeds(accuracy: Mapping[str, Mapping[int, float]]) -> list[tuple[str, int]]:
    """(method, seed) of the seeds that are far from the others of their method; `accuracy`: by method and seed."""
    measured = {label: seeds for label, seeds in accuracy.items() if len(seeds) >= FEWEST}
    if not measured:
        return []
    least = max(POINTS, SDS * median_low([stdev(seeds.values()) for seeds in measured.values()]))
    return [
        (label, seed)
        for label, seeds in measured.items()
        for seed, value in seeds.items()
        if abs(value - median([other for at, other in seeds.items() if at != seed])) > least
    ]
