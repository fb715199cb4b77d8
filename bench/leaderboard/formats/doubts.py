"""The sentences of a report on what a section cannot show: classes with few test rows, seeds far from the others."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.special import stdtrit

from bench.leaderboard.columns import percent
from bench.leaderboard.compare.far_rows import POINTS, SDS
from bench.leaderboard.fold_seeds import more_seeds
from bench.leaderboard.formats.prose import escape
from bench.leaderboard.read.examples import FEWEST_PER_CLASS
from bench.leaderboard.results import Far, Section
from tasks.errors import MAX_NAMES, join_names, plural


def doubts(section: Section) -> Iterator[str]:
    """All of these sentences, below the table of a section."""
    yield from two_seeds(section)
    yield from few_rows(section)
    yield from far_from_others(section)


def two_seeds(section: Section) -> Iterator[str]:
    """What two seeds can say, and how many intervals exclude nothing; also of two seeds each where some have more."""
    results = [row.paired.shown for row in section.rows if row.paired and row.paired.shown and not row.paired.withheld]
    few = [one for one in results if one.seeds == 2]
    if section.uninformative or not few:
        return
    nothing = sum(one.low <= -1 and one.high >= 1 for one in few)
    verb = "excludes" if nothing == 1 else "exclude"
    empty = f" {nothing} of {plural(len(few), 'interval')} {verb} nothing." if nothing else ""
    half = {n: f"{float(stdtrit(n - 1, 0.975)):.1f}" for n in (2, 3, 5, 10)}
    yield (
        "**Two seeds say almost nothing about new seeds:** two numbers are all that is known of their variance. A 95 % "
        f"interval reaches {half[2]} standard errors to each side (with 3, 5 and 10 seeds {half[3]}, {half[5]} and "
        f"{half[10]}), and farther for a family.{empty} `{more_seeds(section.spec)}` adds "
        "seeds; finished cells are kept."
    )


def few_rows(section: Section) -> Iterator[str]:
    """The classes with too few test rows for intervals of macro-F1, where there are differences of it."""
    few = section.test.few if section.test else {}
    if few and any(row.paired and row.paired.macro_f1 for row in section.rows):
        rarest = few if len(few) <= MAX_NAMES else sorted(few, key=lambda k: few[k])
        rows = section.test is None or section.test.clusters is None
        one, several = ("test row", "test rows") if rows else ("cluster", "clusters of test rows")
        names = [f"{escape(section.spec['labels'][k])} ({plural(few[k], one)})" for k in rarest]
        yield (
            f"Differences of macro-F1 have no intervals here: {join_names(names)}. With fewer than {FEWEST_PER_CLASS} "
            f"{several} in a class they would be too narrow."
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
            "standard deviations between seeds (the median of the methods). They count in the table. Either "
            "trainings of the method fail now and then, which few seeds cannot measure, or its seeds spread more than "
            "those of the others."
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
