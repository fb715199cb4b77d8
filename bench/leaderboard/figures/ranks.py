"""Critical-difference diagram: mean ranks over tasks, with bars over methods that do not differ significantly."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench.leaderboard.compare.across_tasks import LEAST_TASKS, Overall
from bench.leaderboard.figures.style import BLUE, INK, figure, shorts, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def critical_difference(methods: int, tasks: int) -> float:
    """The difference of mean ranks that Nemenyi's test finds at 5 % (Demsar, 2006, JMLR 7, section 3.2.2)."""
    return quantile_of_range(methods) / math.sqrt(2) * math.sqrt(methods * (methods + 1) / (6 * tasks))


def quantile_of_range(count: int) -> float:
    """The 95 % quantile of the range of `count` independent standard normal values, by bisection.

    `scipy.stats.studentized_range` has it for infinite degrees of freedom, and takes half a second to import.
    """
    from scipy.special import ndtr

    lowest = np.linspace(-9, 9, 2001)
    density = np.exp(-(lowest**2) / 2) / math.sqrt(2 * math.pi)
    low, high = 0.0, 18.0
    for _ in range(50):
        middle = (low + high) / 2
        others = (ndtr(lowest + middle) - ndtr(lowest)) ** (count - 1)
        below = count * float(np.trapezoid(density * others, lowest)) < 0.95
        low, high = (middle, high) if below else (low, middle)
    return high


def alike(ranks: list[float], least: float) -> list[tuple[int, int]]:
    """First and last place of each maximal run of sorted ranks that differ by at most `least`."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(place for place, other in enumerate(ranks) if other - rank <= least)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def ranks(group: Overall) -> Figure | None:
    """The diagram of one summary; None for fewer than `LEAST_TASKS` tasks."""
    if len(group.tasks) < LEAST_TASKS:
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
    axes.set_yticks(range(len(values)), shorts([row.label for row in ranked]))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xticks(range(1, len(values) + 1))
    axes.set_xlabel(f"mean rank; bars join methods that differ by at most {least:.2f}, the critical difference")
    title(axes, f"Mean ranks over {len(group.tasks)} tasks")
    return diagram
