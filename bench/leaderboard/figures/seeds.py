"""Two figures: the accuracy of each seed, and a heat map of all pairs of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.columns import signed
from bench.leaderboard.figures.findings import shown_pairs
from bench.leaderboard.figures.heat_map import heat_map
from bench.leaderboard.figures.style import INK, VERDICTS, figure, shorts, title
from bench.leaderboard.results import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURED = 8  # up to this many seeds, each has its own colour
MOST = 16  # methods in a heat map; more would not be readable


def dots(section: Section, delta: float) -> Figure | None:
    """Accuracy per method, with a line per seed: where lines are parallel, all seeds show the same difference."""
    import seaborn as sns

    rows = [row for row in section.rows if row.cells][::-1]
    if not rows:
        return None
    seeds = sorted({seed for row in rows for seed in row.cells})
    colours = sns.color_palette("colorblind", len(seeds)) if len(seeds) <= COLOURED else ["#8A8A8A"] * len(seeds)
    plot, [[axes]] = figure(1.5 + 0.36 * len(rows))
    for seed, colour in zip(seeds, colours, strict=True):
        x = [100 * row.cells[seed].accuracy if seed in row.cells else np.nan for row in rows]
        axes.plot(x, range(len(rows)), "o-", color=colour, linewidth=0.9, markersize=5, alpha=0.85, label=str(seed))
    for at, row in enumerate(rows):
        mean = 100 * row.accuracy.mean
        axes.plot([mean, mean], [at - 0.3, at + 0.3], color=INK, linewidth=2.5, zorder=4)
    axes.set_yticks(range(len(rows)), shorts([row.label for row in rows]))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("test accuracy (per cent); bar: mean")
    title(axes, f"{section.spec['title']}: accuracy by seed")
    if 1 < len(seeds) <= COLOURED:
        plot.legend(title="seed", loc="outside right center", frameon=False)
    return plot


def heat(section: Section, delta: float) -> Figure | None:
    """Heat map of differences of accuracy, row minus column, with the verdict of each pair."""
    pairs = section.pairs
    if pairs is None:
        return None
    places = shown_pairs(pairs, section.baseline, MOST)
    count = len(places)
    text = [[cell(pairs.difference[i, j], pairs.words[i][j], i == j) for j in places] for i in places]
    # Only pairs that differ significantly have a colour: a difference by chance must not look like one.
    differ = np.array([[pairs.words[i][j] in ("better", "worse") for j in places] for i in places])
    value = np.where(differ, 100 * pairs.difference[np.ix_(places, places)], 0.0)
    labels = [pairs.labels[place] for place in places]
    names = shorts(labels)
    bound = max(float(np.abs(value).max()), 1.0)
    plot, [[axes]] = figure(2.4 + 0.42 * count, width=max(3.0 + 0.62 * count, 5.5))
    np.fill_diagonal(value, np.nan)
    turned = max(map(len, names)) > 5
    heat_map(axes, value, text, (shorts(labels, 18), names), bound=bound, size=9, turned=turned)
    axes.set_xlabel("▲ row better   ▼ row worse   = equivalent\nno mark, no colour: undecided", loc="right")
    some = "" if count == len(pairs.labels) else f"; {count} of {len(pairs.labels)} methods: the best and the baseline"
    title(axes, f"Accuracy of row minus column (points){some}. {section.spec['title']}")
    return plot


def cell(value: float, word: str, own: bool) -> str:
    """`+1.2 ▲`; the diagonal is empty."""
    return "" if own else f"{signed(value)}{VERDICTS[word].sign}"
