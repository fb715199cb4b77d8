"""Comparisons of all methods of a report with some reference, corrected over the family that the rules name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bench.leaderboard.compare.baseline import match, with_verdicts
from bench.leaderboard.compare.families import over_report
from bench.leaderboard.results import Against, Paired, Row, Section, find
from bench.leaderboard.rules import Rules


class References:
    """The comparisons of some sections with any reference; each is computed once.

    With `--family report`, the family of a reference is that of the baseline: the core methods of all sections that
    have the reference, a section without verdicts included.
    """

    def __init__(self, sections: Sequence[Section], rules: Rules) -> None:
        self.sections, self.rules = sections, rules
        self.known: dict[tuple[str, int | None], list[Section]] = {}

    def comparisons(self, place: int, reference: str) -> Mapping[str, Against]:
        """The methods of the section number `place` against a reference; without those that have no verdict."""
        own = self.sections[place]
        if all(row.label != reference for row in own.rows):
            return {}
        compared = own if reference == self.rules.baseline else self.compared(place, reference)
        return {
            row.label: Against(row.label, reference, row.paired)
            for row in compared.rows
            if row.paired is not None and row.paired.accuracy is not None and not row.paired.withheld
        }

    def compared(self, place: int, reference: str) -> Section:
        """The section with its methods compared with a reference in place of the baseline."""
        whole = self.rules.family == "report"
        key = reference, None if whole else place
        if key not in self.known:
            chosen = self.sections if whole else [self.sections[place]]
            self.known[key] = list(over_report([against(one, reference) for one in chosen], self.rules))
        return self.known[key][place if whole else 0]


def against(section: Section, reference: str) -> Section:
    """A section with its methods compared with a reference alone, corrected over this section; by accuracy only.

    A section without verdicts has none here either. One that lacks the reference has no comparisons.
    """
    base = find(section.rows, reference)
    if base is None or section.test is None:
        return replace(section, rows=tuple(replace(row, paired=None, information=None) for row in section.rows))
    matches = match(section.rows, base, section.test, section.rules, section.spec.get("looks", ()))
    paired = with_verdicts(section.rows, base, matches, section.rules)
    rows = zip(section.rows, paired, strict=True)
    return replace(section, rows=tuple(replace(row, paired=silenced(row, one), information=None) for row, one in rows))


def silenced(row: Row, paired: Paired) -> Paired:
    """A comparison without a verdict where that with the baseline has none because the section says nothing."""
    own = row.paired
    if own is None or not own.withheld or own.match is None or own.match.withheld:
        return paired
    return replace(paired, withheld=own.withheld)
