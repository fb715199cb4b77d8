"""Critical-difference diagram: mean ranks over tasks, with bars over methods that do not differ significantly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench.leaderboard.compare.across_tasks import LEAST_TASKS, Overall
from bench.leaderboard.figures.style import BLUE, INK, figure, name_rows, shorts, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERS = 20  # on the axis of ranks; more would overlap


def critical_difference(methods: int, tasks: int) -> float:
    """The difference of mean ranks that Nemenyi's test finds at 5 % (Demsar, 2006, JMLR 7, section 3.2.2)."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(0.95, methods, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * tasks))


def alike(ranks: list[float], least: float) -> list[tuple[int, int]]:
    """First and last place of each maximal run of sorted ranks that differ by at most `least`."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(place for place, other in enumerate(ranks) if other - rank <= least)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def ranks(group: Overall) -> Figure | None:
    """The diagram of one summary; None for fewer than `LEAST_TASKS` tasks, or tasks that share test rows."""
    if len(group.tasks) < LEAST_TASKS or group.sharing:
        return None
    ranked = sorted(group.rows, key=lambda row: (row.rank, row.label))
    values = [row.rank for row in ranked]
    least = critical_difference(len(values), len(group.tasks))
    runs = alike(values, least)
    diagram, [[axes]] = figure(1.4 + 0.32 * len(values))
    for place, (first, last) in enumerate(runs):
        x = len(values) + 0.4 + 0.03 * len(values) * place
        axes.plot([x, x], [first, last], color=BLUE, linewidth=4)
    axes.plot(values, range(len(values)), "o", color=INK, markersize=7)
    names = shorts([row.label for row in ranked])
    name_rows(axes, names, lines=True)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xticks(range(1, len(values) + 1, -(-len(values) // NUMBERS)))
    axes.set_xlabel(f"mean rank; bars join methods that differ by at most {least:.2f}, the critical difference")
    title(axes, f"Mean ranks over {len(group.tasks)} tasks", names)
    return diagram
