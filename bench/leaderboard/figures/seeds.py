"""Seed-paired dots, and the heat map of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.columns import signed
from bench.leaderboard.figures.style import INK, VERDICTS, figure, short, title
from bench.leaderboard.results import Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURED = 8  # seeds that have a colour of their own
MOST = 16  # methods in a heat map that can still be read


def dots(section: Section, delta: float) -> Figure | None:
    """Each seed's accuracy per method, joined over the methods: parallel lines are a difference that seeds share."""
    import seaborn as sns

    rows = [row for row in section.rows if row.cells][::-1]
    if not rows:
        return None
    seeds = sorted({seed for row in rows for seed in row.cells})
    colours = sns.color_palette("colorblind", len(seeds)) if len(seeds) <= COLOURED else ["#8A8A8A"] * len(seeds)
    made, [[axes]] = figure(1.5 + 0.36 * len(rows))
    for seed, colour in zip(seeds, colours, strict=True):
        x = [100 * row.cells[seed].accuracy if seed in row.cells else np.nan for row in rows]
        axes.plot(x, range(len(rows)), "o-", color=colour, linewidth=0.9, markersize=5, alpha=0.85, label=str(seed))
    for at, row in enumerate(rows):
        mean = 100 * row.accuracy.mean
        axes.plot([mean, mean], [at - 0.3, at + 0.3], color=INK, linewidth=2.5, zorder=4)
    axes.set_yticks(range(len(rows)), [short(row.label) for row in rows])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("test accuracy (per cent); bar: mean")
    title(axes, f"{section.spec['title']}: accuracy of each seed")
    if 1 < len(seeds) <= COLOURED:
        made.legend(title="seed", loc="outside right center", frameon=False)
    return made


def heat(section: Section, delta: float) -> Figure | None:
    """Differences of accuracy, row minus column, with the verdict of each pair."""
    import seaborn as sns

    found = section.pairs
    if found is None:
        return None
    count = min(len(found.labels), MOST)
    value = 100 * found.difference[:count, :count]
    text = [[cell(found.difference[i, j], found.words[i][j], i == j) for j in range(count)] for i in range(count)]
    names = [short(label) for label in found.labels[:count]]
    bound = max(float(np.abs(value).max()), 1.0)
    made, [[axes]] = figure(2.2 + 0.42 * count, width=3.0 + 0.62 * count)
    sns.heatmap(
        value,
        ax=axes,
        mask=np.eye(count, dtype=bool),
        cmap=sns.diverging_palette(36, 245, s=85, l=55, as_cmap=True),
        vmin=-bound,
        vmax=bound,
        annot=np.array(text),
        fmt="",
        annot_kws={"fontsize": 9},
        linewidths=1,
        linecolor="white",
        xticklabels=[short(name, 18) for name in names],
        yticklabels=names,
        cbar=False,
    )
    axes.tick_params(axis="x", rotation=40 if max(map(len, names)) > 5 else 0)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right" if max(map(len, names)) > 5 else "center")
    axes.tick_params(axis="y", rotation=0)
    axes.grid(visible=False)
    axes.set_xlabel("▲ row is better   ▼ row is worse   = equivalent   no mark: undecided")
    title(axes, f"{section.spec['title']}: row minus column (points)")
    return made


def cell(value: float, word: str, own: bool) -> str:
    """`+1.2 ▲`; the diagonal is empty."""
    return "" if own else f"{signed(value)}{VERDICTS[word].sign}"
