"""Figure of a plan: the power of a verdict by number of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bench.leaderboard.figures.style import GREY, INK, figure, short, title
from bench.stats.verdict import exact_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def power_curves(
    seeds: Sequence[int],
    lines: Mapping[str, Sequence[float]],
    bands: Mapping[str, Sequence[Sequence[float]]],
    effect: float,
    wanted: float,
    planned: int,
) -> Figure:
    """A line per section, by its name, of the power (a share) at each of `seeds`; `bands`: the ends of its interval.

    The horizontal line is the power that is `wanted`, the vertical one the `planned` number of seeds.
    """
    import seaborn as sns

    plot, [[axes]] = figure(4.2 + 0.25 * len(lines))
    for (name, values), colour in zip(lines.items(), sns.color_palette("colorblind", len(lines)), strict=True):
        axes.plot(seeds, [100 * value for value in values], "o-", color=colour, markersize=3.5, label=short(name, 90))
        if name in bands:
            low, high = ([100 * value for value in end] for end in bands[name])
            axes.fill_between(seeds, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.axhline(100 * wanted, color=GREY, linewidth=1, linestyle="--", zorder=1)
    axes.axvline(planned, color=INK, linewidth=1, linestyle=":", zorder=1)
    axes.annotate("as planned", (planned, 94), xytext=(4, 0), textcoords="offset points", fontsize=9)
    axes.set_ylim(0, 101)
    axes.set_xlim(min(seeds) - 0.5, max(seeds) + 0.5)
    axes.set_xlabel("seeds" + (" (bands: 80 % interval of the variance between seeds)" if bands else ""))
    axes.set_ylabel("power (per cent)")
    title(axes, f"Chance to find a true difference of {exact_points(effect / 100)}")
    plot.legend(loc="outside lower center", frameon=False, fontsize=9)
    return plot
