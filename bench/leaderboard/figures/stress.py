"""Figure of an axis of stress: accuracy and difference to the baseline by the axis's value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.extra_tables.stress import Curve
from bench.leaderboard.figures.style import figure, short, shorts, whole_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12  # methods; more would be hard to distinguish: then the baseline and the first ones


def stress(curve: Curve, baseline: str) -> Figure:
    """A line per method for accuracy, and in a second panel for the difference to the baseline, if it was run.

    Bands are 95 % intervals.
    """
    import seaborn as sns

    labels = [label for label in curve.labels if label == baseline]
    labels += [label for label in curve.labels if label != baseline][: MOST - len(labels)]
    compared = baseline in curve.labels
    plot, [[left, *others]] = figure(4.4, columns=1 + compared, width=10.5 if compared else 6.2)
    colours = dict(zip(labels, sns.color_palette("husl", len(labels)), strict=True))
    x = np.array(curve.values)
    for place, label in enumerate(labels):
        rows = [curve.row(label, at) for at in range(len(x))]
        shift = (place - (len(labels) - 1) / 2) * 0.006 * np.ptp(x)  # so that intervals do not hide each other
        intervals = [row.accuracy if row else None for row in rows]
        line(left, x + shift, [(i.mean, i.low, i.high) if i else None for i in intervals], label, colours[label])
        gains = [row.paired.accuracy if row and row.paired else None for row in rows]
        for right in others if label != baseline else ():
            line(right, x + shift, [(g.difference, g.low, g.high) if g else None for g in gains], label, colours[label])
    left.set_ylabel("test accuracy (per cent)")
    for right in others:
        right.axhline(0, color="#666666", linewidth=1, zorder=1)
        right.set_ylabel(f"difference to {short(baseline)} (points)")
    for axes in (left, *others):
        axes.set_xlabel(curve.axis)
        axes.set_xticks(x, [f"{value:g}" for value in x])
    handles, names = left.get_legend_handles_labels()
    plot.legend(handles, shorts(names, 24), loc="outside right center", frameon=False)
    seeds = "left: " if compared else ""
    few = f"; {len(labels)} of {len(curve.labels)} methods" if len(labels) < len(curve.labels) else ""
    title = f"{curve.title} along {curve.axis}{few}"
    whole_title(plot, f"{title}; bands: 95 % intervals ({seeds}for new seeds)")
    return plot


def line(
    axes: Axes,
    x: np.ndarray[tuple[int], np.dtype[np.float64]],
    points: list[tuple[float, float, float] | None],
    label: str,
    colour: tuple[float, ...],
) -> None:
    """Draw a line through the means and a band of the intervals; points without a result are left out."""
    known = [at for at, point in enumerate(points) if point is not None]
    if not known:
        return
    mean, low, high = (100 * np.array(values) for values in zip(*(p for p in points if p is not None), strict=True))
    axes.plot(x[known], mean, "o-", color=colour, markersize=4.5, linewidth=1.6, label=label)
    axes.fill_between(x[known], low, high, color=colour, alpha=0.1, linewidth=0)
