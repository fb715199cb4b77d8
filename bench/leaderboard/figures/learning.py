"""Figure of learning curves: a metric by the number of labelled rows, as measured and as fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.figures.style import figure, shorts, whole_title
from bench.leaderboard.power_law import FARTHEST, LearningCurve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 60  # of a fitted line


def learning(title: str, curves: Mapping[str, Mapping[str, LearningCurve]]) -> Figure:
    """A panel per metric with a fitted curve per method, dashed beyond the largest size; bands are 95 % intervals.

    `curves`: by metric and by the method's label.
    """
    import seaborn as sns
    from matplotlib.ticker import NullLocator

    labels = list(dict.fromkeys(label for of_metric in curves.values() for label in of_metric))
    colours = dict(zip(labels, sns.color_palette("husl", len(labels)), strict=True))
    plot, [panels] = figure(4.2, columns=len(curves), width=5.2 * len(curves) + 1.6)
    for axes, (metric, of_metric) in zip(panels, curves.items(), strict=True):
        for label, curve in of_metric.items():
            last = float(curve.sizes[-1])
            sizes = np.geomspace(curve.sizes[0], FARTHEST * last, POINTS)
            found = [curve.error(size) for size in sizes]
            fitted = np.array([100 * (1 - one.value) for one in found])
            ends = [[100 * (1 - end) for end in (one.high, one.low)] for one in found]
            for part, style in ((sizes <= last, "-"), (sizes >= last * (1 - 1e-9), "--")):
                axes.plot(sizes[part], fitted[part], style, color=colours[label], linewidth=1.6)
            axes.fill_between(sizes, *np.array(ends).T, color=colours[label], alpha=0.12, linewidth=0)
            axes.plot(curve.sizes, 100 * (1 - curve.errors), "o", color=colours[label], label=label)
        ticks = sorted(
            {float(size) for curve in of_metric.values() for size in (*curve.sizes, FARTHEST * curve.sizes[-1])}
        )
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(ticks, [f"{size:,.0f}" for size in ticks], rotation=45)
        axes.set_xlabel("labelled rows")
        axes.set_ylabel(f"{metric} (per cent)")
    handles, names = panels[0].get_legend_handles_labels()
    plot.legend(handles, shorts(names, 24), loc="outside right center", frameon=False)
    whole_title(plot, f"{title}: measured, and a fitted power law with its 95 % interval")
    return plot
