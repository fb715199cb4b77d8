"""Two figures: the accuracy of each seed, and a heat map of all pairs of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.leaderboard.columns import signed
from bench.leaderboard.figures.findings import shown_pairs
from bench.leaderboard.figures.heat_map import heat_map
from bench.leaderboard.figures.style import INK, VERDICTS, figure, name_rows, shorts, title
from bench.leaderboard.results import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURED = 8  # up to this many seeds, each has its own colour
OTHER = "#8A8A8A"  # the colour of more
MOST = 16  # methods in a heat map; more would not be readable


def dots(section: Section) -> Figure | None:
    """Accuracy per method, with a line per seed: where lines are parallel, all seeds show the same difference."""
    import seaborn as sns

    rows = [row for row in section.rows if row.cells][::-1]
    if not rows:
        return None
    seeds = sorted({seed for row in rows for seed in row.cells})
    plot, [[axes]] = figure(1.5 + 0.36 * len(rows))
    values = [[100 * row.cells[seed].accuracy if seed in row.cells else np.nan for row in rows] for seed in seeds]
    places = np.arange(len(rows))
    look: dict[str, Any] = {"linewidth": 0.9, "markersize": 5, "alpha": 0.85}
    if len(seeds) <= COLOURED:
        for seed, x, colour in zip(seeds, values, sns.color_palette("colorblind", len(seeds)), strict=True):
            axes.plot(x, places, "o-", color=colour, label=str(seed), **look)
    else:  # one artist, with a gap after each seed
        axes.plot(
            [at for x in values for at in (*x, np.nan)],
            np.tile([*places, np.nan], len(seeds)),
            "o-",
            color=OTHER,
            **look,
        )
    bars = np.array([[100 * row.accuracy.mean] * 2 + [np.nan] for row in rows])
    heights = places[:, None] + [-0.3, 0.3, np.nan]
    axes.plot(bars.ravel(), heights.ravel(), color=INK, linewidth=2.5, zorder=4)
    names = shorts([row.label for row in rows])
    name_rows(axes, names, lines=True)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("test accuracy (per cent); bar: mean")
    title(axes, f"{section.spec['title']}: accuracy by seed", names)
    if 1 < len(seeds) <= COLOURED:
        plot.legend(title="seed", loc="outside right center", frameon=False)
    return plot


def heat(section: Section) -> Figure | None:
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
    title(axes, f"Accuracy of row minus column (points){some}. {section.spec['title']}", names)
    return plot


def cell(value: float, word: str, own: bool) -> str:
    """`+1.2 ▲`; the diagonal is empty."""
    return "" if own else f"{signed(value)}{VERDICTS[word].sign}"
