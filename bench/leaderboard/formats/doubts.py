"""The sentences of a report on what a section cannot show: classes with few test rows, seeds far from the others."""

from __future__ import annotations

from collections.abc import Iterator

from bench.leaderboard.columns import percent
from bench.leaderboard.compare.far_rows import POINTS, SDS
from bench.leaderboard.formats.prose import escape
from bench.leaderboard.read.scores import FEWEST_PER_CLASS
from bench.leaderboard.results import Far, Section
from tasks.errors import plural


def doubts(section: Section) -> Iterator[str]:
    """All of these sentences, below the table of a section."""
    yield from few_rows(section)
    yield from far_from_others(section)


def few_rows(section: Section) -> Iterator[str]:
    """The classes with too few test rows for intervals of macro-F1."""
    few = section.test.few if section.test else {}
    if few:
        names = ", ".join(
            f"{escape(section.spec['labels'][k])} ({plural(count, 'test row')})" for k, count in few.items()
        )
        yield (
            f"Differences of macro-F1 have no intervals here: {names}. With fewer than {FEWEST_PER_CLASS} test rows in "
            "a class they would be too narrow."
        )


def far_from_others(section: Section) -> Iterator[str]:
    """The seeds that lie far from the others of their method, with the verdicts without them."""
    lines = [
        f"- {escape(one.label)}, seed {one.seed}: accuracy {percent(one.accuracy)} %, median of its other seeds "
        f"{percent(one.others)} %. {changed(one)}"
        for one in section.far
    ]
    if lines:
        yield (
            f"**Seeds far from the others of their method**, by more than {100 * POINTS:.0f} points and {SDS:.0f} "
            "standard deviations between seeds (the median of the methods). They count in the table. A training that "
            "fails now and then is a property of its method, which few seeds cannot measure."
        )
        yield "\n".join(lines)


def changed(one: Far) -> str:
    """The verdicts without a far seed: `Without it: dimp better (with it undecided).`"""
    if not one.words:
        return "Without it no verdict changes."
    words = "; ".join(
        f"{escape(label)} {after or 'no verdict'} (with it {before or 'no verdict'})"
        for label, (before, after) in one.words.items()
    )
    return f"Without it: {words}."
