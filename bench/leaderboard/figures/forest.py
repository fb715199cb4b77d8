"""Forest plot: each method's difference to the baseline with its interval; an arrow marks one that goes on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.figures.style import AXIS, BAND, VERDICTS, figure, name_rows, short, shorts, title, whole_title
from bench.leaderboard.results import Row, Section
from bench.leaderboard.rules import Rules
from bench.stats.crossed import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 3  # tasks side by side
HIGHEST = 100.0  # inches of a figure; beyond 455, its PNG cannot be written
WIDE = 3.0  # half-widths, relative to the median one, from which an interval is cut


def differences(section: Section) -> list[tuple[Row, Comparison]]:
    """The rows that have a difference, best last because the y axis starts at the bottom."""
    rows = [(row, shown) for row in section.rows if (shown := row.shown)]
    return sorted(rows, key=lambda pair: pair[1].difference)


def forest(axes: Axes, section: Section, names: list[str]) -> None:
    """Draw one panel. `names`: the methods of the y axis from the bottom, without labels; some may have no row."""
    delta = section.rules.delta
    axes.axvspan(-100 * delta, 100 * delta, color=BAND, zorder=0)
    axes.axvline(0, color=AXIS, linewidth=1, zorder=1)
    low, high = limits_of(section)
    rows = differences(section)
    for word, style in VERDICTS.items():
        own = [(names.index(row.label), one) for row, one in rows if row.word == word]
        if not own:
            continue
        at = np.array([place for place, _ in own], np.float64)
        points, lows, highs = (
            100 * np.array([getattr(one, name) for _, one in own]) for name in ("difference", "low", "high")
        )
        ends = np.stack([np.maximum(lows, low), np.minimum(highs, high), np.full(len(own), np.nan)], axis=1)
        axes.plot(ends.ravel(), np.repeat(at, 3), color=style.colour, linewidth=2, zorder=2)
        for end, whole, arrow in ((ends[:, 0], lows, "<"), (ends[:, 1], highs, ">")):
            if (cut := end != whole).any():  # the interval goes on
                axes.plot(end[cut], at[cut], arrow, color=style.colour, markersize=8, zorder=3)
        axes.plot(points, at, style.marker, color=style.colour, markersize=8, zorder=3)
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel(f"difference of accuracy to {short(section.baseline)} (points)")


def marked(section: Section, names: list[str]) -> list[str]:
    """The names beside a panel; a dagger marks those that are exploratory in this section."""
    exploratory = {row.label for row in section.rows if not row.spec["core"]}
    return [f"{text} †" if name in exploratory else text for name, text in zip(names, shorts(names), strict=True)]


def limits_of(section: Section) -> tuple[float, float]:
    """The points at which intervals are cut, so that a very wide one does not flatten the others.

    All differences fit, and all intervals at most `WIDE` times as wide as the median one.
    """
    results = [result for _, result in differences(section)]
    if not results:
        return -math.inf, math.inf
    most = WIDE * statistics.median((one.high - one.low) / 2 for one in results)
    low = min(max(one.low, one.difference - most) for one in results)
    high = max(min(one.high, one.difference + most) for one in results)
    return 100 * low, 100 * high


def legend(plot: Figure, words: set[str]) -> None:
    """Add a legend of the verdicts that occur, below the figure."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, linewidth=2, label=word or "no verdict")
        for word, style in VERDICTS.items()
        if word in words
    ]
    plot.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def words(section: Section) -> set[str]:
    """The verdicts that occur in a section."""
    return {row.word for row, _ in differences(section)}


def gains(section: Section) -> Figure | None:
    """The section's forest plot; None if no method is compared with the baseline."""
    rows = differences(section)
    if not rows:
        return None
    plot, [[axes]] = figure(1.3 + 0.33 * len(rows))
    names = [row.label for row, _ in rows]
    forest(axes, section, names)
    shown = marked(section, names)
    name_rows(axes, shown)
    what = f"difference of accuracy to {section.baseline}, {section.rules.kind_of_interval} intervals"
    title(axes, f"{section.spec['title']}: {what}", shown)
    legend(plot, words(section))
    return plot


def panels_of(sections: Sequence[Section]) -> list[Section]:
    """The sections of the figure of all of them: as many of the first ones that have a difference as fit."""
    sections = [section for section in sections if differences(section)]
    names = {row.label for section in sections for row, _ in differences(section)}
    return sections[: PANELS * max(1, int(HIGHEST / height_of(names)))]


def height_of(names: Collection[str]) -> float:
    """The inches of a panel with these methods."""
    return 1.1 + 0.28 * len(names)


def all_gains(sections: Sequence[Section], rules: Rules) -> Figure | None:
    """A panel per section, side by side, methods ordered by mean difference; None for fewer than two panels."""
    sections = panels_of(sections)
    if len(sections) < 2:
        return None
    by_label: dict[str, list[float]] = {}
    for row, result in (pair for section in sections for pair in differences(section)):
        by_label.setdefault(row.label, []).append(result.difference)
    names = sorted(by_label, key=lambda label: (sum(by_label[label]) / len(by_label[label]), label))
    lines = -(-len(sections) // PANELS)
    columns = min(PANELS, len(sections))
    plot, grid = figure(0.8 + lines * height_of(names), lines, columns, width=3.0 * columns + 1.5)
    panels = [axes for line in grid for axes in line]
    for place, axes in enumerate(panels):
        if place >= len(sections):
            axes.set_visible(False)
            continue
        forest(axes, sections[place], names)
        axes.set_xlabel("points")
        details = ", ".join([sections[place].spec["source"], *sections[place].axes])
        axes.set_title(f"{short(sections[place].spec['task_ref'], 24)}\n{short(details, 32)}", fontsize=10)
        if place % columns == 0:  # ticks of the others would be drawn, though they show nothing
            name_rows(axes, marked(sections[place], names))
    whole_title(
        plot,
        f"Difference of accuracy to {short(rules.baseline)} (points), {rules.kind_of_interval} intervals",
    )
    legend(plot, set().union(*map(words, sections)))
    return plot
