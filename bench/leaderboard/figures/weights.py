"""Two figures of weights: by the probability of a row's label, and how much methods agree on the weights of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.extra_tables.weights import of_row
from bench.leaderboard.figures.heat_map import heat_map
from bench.leaderboard.figures.style import figure, shorts, whole_title
from bench.leaderboard.read.row_weights import RowWeights, agreement
from bench.leaderboard.results import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 10
MOST = 14  # methods; more would be hard to distinguish
TICKS = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # linear up to the second, then logarithmic
SIDES = (("quality", "label's probability: quality checker"), ("model", "label's probability: trained model"))


def varying(section: Section) -> dict[str, dict[int, RowWeights]]:
    """Weights by label and seed, of the methods whose weights differ between rows; best first."""
    weights = {row.label: of_row(section, row) for row in section.rows}
    varied = {
        label: {seed: rows for seed, rows in seeds.items() if isinstance(rows, RowWeights) and not rows.constant}
        for label, seeds in weights.items()
    }
    return {label: seeds for label, seeds in varied.items() if seeds}


def lens(section: Section) -> Figure | None:
    """Mean weight of the rows in each tenth of a probability's range, divided by the method's mean weight."""
    import seaborn as sns

    known = {
        label: seeds
        for label, seeds in varying(section).items()
        if any(not np.isnan(getattr(rows, name)).all() for rows in seeds.values() for name, _ in SIDES)
    }
    methods = dict(list(known.items())[:MOST])
    if not methods:
        return None
    plot, [axes] = figure(4.2, columns=2, width=9.5, share=True)
    colours = sns.color_palette("husl", len(methods))
    for panel, (name, text) in zip(axes, SIDES, strict=True):
        for colour, (label, seeds) in zip(colours, methods.items(), strict=True):
            curve(panel, [(getattr(rows, name), rows.weight) for rows in seeds.values()], label, colour)
        panel.set_yscale("symlog", linthresh=TICKS[1], linscale=0.3)
        panel.set_yticks(TICKS, [f"{tick:g}" for tick in TICKS])
        panel.minorticks_off()
        panel.axhline(1, color="#999999", linewidth=0.8, zorder=1)
        panel.set_xlabel(text)
        panel.set_xlim(0, 1)
    axes[0].set_ylabel("weight / mean weight")
    handles, labels = axes[1].get_legend_handles_labels()
    plot.legend(handles, shorts(labels, 24), loc="outside right center", frameon=False)
    whole_title(plot, f"{section.spec['title']}: weight of a row by the probability of its label")
    return plot


def curve(axes: Axes, pairs: list[tuple[FloatArray, FloatArray]], label: str, colour: tuple[float, ...]) -> None:
    """Draw one method's line over the bins that have rows; nothing where probabilities are not known."""
    x, y = (np.concatenate(values) for values in zip(*((p, w / w.mean()) for p, w in pairs), strict=True))
    known = ~np.isnan(x)
    place = np.minimum((x[known] * BINS).astype(int), BINS - 1)
    count, total = np.bincount(place, minlength=BINS), np.bincount(place, y[known], minlength=BINS)
    at = np.flatnonzero(count)
    axes.plot((at + 0.5) / BINS, total[at] / count[at], "o-", color=colour, markersize=4, label=label)


def agreements(section: Section) -> Figure | None:
    """Heat map of the rank correlation between the weights of two methods, mean over seeds."""
    methods = dict(list(varying(section).items())[:MOST])
    if len(methods) < 2:
        return None
    value = np.array([[between(a, b) for b in methods.values()] for a in methods.values()])
    names = shorts(list(methods), 24)
    size = 2.6 + 0.55 * len(names)
    plot, [[axes]] = figure(size - 0.4, width=size + 0.6)
    heat_map(axes, value, [[f"{one:.2f}" for one in row] for row in value], (names, names), bound=1, size=8)
    axes.set_aspect("equal")
    axes.set_title("Rank correlation of weights")
    return plot


def between(a: dict[int, RowWeights], b: dict[int, RowWeights]) -> float:
    """Mean rank correlation over the seeds that both have."""
    shared = [agreement(a[seed], b[seed]) for seed in a if seed in b]
    return float(np.mean(shared)) if shared else float("nan")
