"""What each figure shows, in words: the text for readers who do not see it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bench.leaderboard.columns import gain, percent
from bench.leaderboard.compare.across_tasks import Overall
from bench.leaderboard.figures.forest import panels_of
from bench.leaderboard.results import Pairs, Row, Section
from tasks.errors import plural

NAMED = 3  # methods that a text names


def compared(section: Section) -> list[Row]:
    """The rows that have a difference to the baseline, highest first."""
    rows = [row for row in section.rows if row.paired and row.paired.accuracy]
    return sorted(rows, key=lambda row: row.paired.accuracy.difference, reverse=True)  # type: ignore[union-attr]


def verdicts(section: Section) -> str:
    """`2 better, 1 worse, 5 undecided`; the methods that are better are named, exploratory ones with a dagger."""
    rows = compared(section)
    counts = Counter(row.word or "without a verdict" for row in rows)
    better = [marked_label(row) for row in rows if row.word == "better"]
    named = f" ({', '.join(better[:NAMED])}{', ...' * (len(better) > NAMED)})" if better else ""
    words = ("better", "worse", "equivalent", "undecided", "without a verdict")
    return ", ".join(f"{counts[word]} {word}{named if word == 'better' else ''}" for word in words if counts[word])


def marked_label(row: Row) -> str:
    """The method; a dagger marks an exploratory one, whose verdict is not corrected."""
    return row.label if row.spec["core"] else f"{row.label} †"


def gains_found(section: Section) -> str:
    """The verdicts, and the highest and lowest difference."""
    rows = compared(section)
    ends = [rows[0], rows[-1]] if len(rows) > 1 else rows
    values = " and ".join(f"{marked_label(row)} {gain(row.shown)}" for row in ends)
    names = "highest and lowest" if len(rows) > 1 else "difference"
    return f"against {section.baseline}: {verdicts(section)}; {names}: {values} points"


def seeds_found(section: Section) -> str:
    """The highest and the lowest mean, and the method whose seeds differ most."""
    rows = [row for row in section.rows if row.cells]
    order = sorted(rows, key=lambda row: -row.accuracy.mean)
    ends = f"mean accuracy from {order[-1].label} {percent(order[-1].accuracy.mean)} %"
    ends += f" to {order[0].label} {percent(order[0].accuracy.mean)} %" if len(order) > 1 else ""
    spread = [row for row in rows if not math.isnan(row.accuracy.sd)]
    if not spread:
        return ends
    widest = max(spread, key=lambda row: row.accuracy.sd)
    return f"{ends}; seeds differ most for {widest.label} (sd {percent(widest.accuracy.sd)} points)"


def pairs_found(section: Section) -> str:
    """How many pairs differ significantly, and the best group."""
    pairs = section.pairs
    if pairs is None:
        return ""
    count = len(pairs.labels)
    differ = sum(word == "better" for line in pairs.words for word in line)
    best = [label for label in pairs.labels if label in pairs.best]
    named = f"{', '.join(best[:NAMED])}{', ...' * (len(best) > NAMED)}"
    verb = "differs" if differ == 1 else "differ"
    return f"{differ} of {plural(count * (count - 1) // 2, 'pair')} {verb} significantly; best group: {named}"


def shown_pairs(pairs: Pairs, baseline: str, most: int) -> list[int]:
    """The places of the methods in a figure of at most `most`: the best ones, and the baseline."""
    places = list(range(len(pairs.labels)))
    if len(places) <= most or baseline not in pairs.labels[most:]:
        return places[:most]
    return [*places[: most - 1], pairs.labels.index(baseline)]


def overview_found(sections: Sequence[Section]) -> str:
    """The verdicts of each section that is drawn."""
    return "; ".join(f"{section.spec['task_ref']}: {verdicts(section)}" for section in panels_of(sections))


def ranks_found(group: Overall) -> str:
    """The methods with the best ranks."""
    order = sorted(group.rows, key=lambda row: row.rank)[:NAMED]
    return "best: " + ", ".join(f"{row.label} {row.rank:.2f}" for row in order)
