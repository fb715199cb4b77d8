"""Figure of `bench variance`: how far each source moves accuracy and the difference to the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bench.leaderboard.figures.style import BLUE, ORANGE, figure, short, title
from bench.stats.interval import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def spreads(name: str, lines: Sequence[Any]) -> Figure:
    """A row per method and source, with bars from 0 and 95 % intervals; `lines` have `label`, `source` and spreads."""
    plot, [[left, right]] = figure(1.8 + 0.26 * len(lines), columns=2, width=10.5, share=True)
    for at, line in enumerate(reversed(lines)):
        bar(left, at, line.accuracy, BLUE)
        if line.difference is not None:
            bar(right, at, line.difference, ORANGE)
    names = [f"{short(line.label, 20)}: {line.source}" for line in reversed(lines)]
    left.set_yticks(range(len(names)), names)
    left.set_ylim(-0.6, len(names) - 0.4)
    for axes, what in ((left, "accuracy"), (right, "the difference to the baseline")):
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0)
        axes.set_xlabel(f"sd of {what} (points)")
    title(left, name)
    return plot


def bar(axes: Axes, at: int, value: Spread, colour: str) -> None:
    """One bar with its interval."""
    if math.isnan(value.sd):
        return
    axes.barh(at, 100 * value.sd, height=0.62, color=colour, alpha=0.75)
    axes.plot([100 * value.low, 100 * value.high], [at, at], color="#222222", linewidth=1.2)
