"""Figure of training curves: loss and effective sample size by update, a panel per method."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from bench.arrays import FloatArray
from bench.leaderboard.figures.style import BLUE, GREEN, figure, grid_lines, same_limits, short, shorts, whole_title
from bench.leaderboard.results import Row, Section
from bench.store.layout import HISTORY
from bench.store.schemas import Update

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 60  # of a curve; longer histories are averaged over runs of updates
PANELS = 5  # methods side by side
MOST = 10  # methods drawn, best first
MEASURES = (("loss", "loss", BLUE), ("ess", "ESS", GREEN))


def history(folder: Path) -> dict[str, list[float]]:
    """Columns of `history.jsonl`; empty if it is missing or cannot be read."""
    try:
        lines = (folder / HISTORY).read_bytes().splitlines()
        updates = histories().validate_json(b"[" + b",".join(lines) + b"]", strict=True)
    except (OSError, ValueError):
        return {}
    names = ("step", *(name for name, _, _ in MEASURES))
    columns = {name: [getattr(update, name) for update in updates] for name in names}
    return {name: [math.nan if one is None else float(one) for one in column] for name, column in columns.items()}


@functools.cache
def histories() -> TypeAdapter[list[Update]]:
    """What reads all lines of a history at once, in half the time of one by one."""
    return TypeAdapter(list[Update])


def stretched(values: FloatArray) -> FloatArray:
    """(S, T) values averaged to at most POINTS values per row, over runs of about equal length."""
    if values.shape[1] <= POINTS:
        return values
    return np.stack([run.mean(axis=1) for run in np.array_split(values, POINTS, axis=1)], axis=1)


def curves_of(row: Row) -> dict[str, FloatArray]:
    """(S, T) by name for the row's S seeds, cut to the shortest history; empty without histories."""
    histories = [columns for cell in row.cells.values() if (columns := history(cell.folder)) and columns["step"]]
    if not histories:
        return {}
    length = min(len(columns["step"]) for columns in histories)
    return {name: stretched(np.array([columns[name][:length] for columns in histories])) for name in histories[0]}


def draw(axes: Axes, curve: dict[str, FloatArray], name: str, colour: str, *, band: bool) -> None:
    """Draw the mean over seeds, with their range as a band."""
    x, y = curve["step"].mean(axis=0) + 1, curve[name]
    if np.isnan(y).all():
        return
    axes.plot(x, y.mean(axis=0), color=colour, linewidth=1.6 if band else 1.0)
    if band:
        axes.fill_between(x, y.min(axis=0), y.max(axis=0), color=colour, alpha=0.25, linewidth=0)


def curves(section: Section) -> Figure | None:
    """Loss and, below it, effective sample size of each method; other panels show the baseline in grey."""
    known = ((row.label, curve) for row in section.rows if row.cells and (curve := curves_of(row)))
    by_label = dict(itertools.islice(known, MOST))
    if not by_label:
        return None
    names = list(by_label)
    titles = shorts(names, 21)
    grey = by_label.get(section.baseline) or next((curves_of(row) for row in section.rows if row.is_baseline), {})
    lines = -(-len(names) // PANELS)
    columns = -(-len(names) // lines)  # with as few empty panels as possible
    plot, grid = figure(0.5 + 3.1 * lines, 2 * lines, columns, width=1.0 + 1.9 * columns)
    for place in range(lines * columns):
        line, column = divmod(place, columns)
        pair = [grid[2 * line + offset][column] for offset in range(len(MEASURES))]
        if place >= len(names):
            for axes in pair:
                axes.set_visible(False)
            continue
        name = names[place]
        panel(pair, by_label[name], {} if name == section.baseline else grey)
        pair[0].set_title(titles[place], fontsize=10)
        pair[-1].set_xlabel("update")
        for axes, (_, text, _) in zip(pair, MEASURES, strict=True):
            axes.set_ylabel("" if column else text)
    shown = [[axes for axes in row if axes.get_visible()] for row in grid]
    same_limits("x", list(itertools.chain(*shown)))
    for row in shown[:: len(MEASURES)]:
        same_limits("y", row)
    for place, row in enumerate(shown):
        grid_lines(row, bottom=place % len(MEASURES) == len(MEASURES) - 1)
    what = f"training curves, mean and range over seeds (grey: {short(section.baseline)})"
    whole_title(plot, f"{section.spec['title']}: {what}")
    return plot


def panel(pair: list[Axes], curve: dict[str, FloatArray], grey: dict[str, FloatArray]) -> None:
    """Draw the two axes of one method, with the baseline's curves in grey behind."""
    for axes, (measure, _, colour) in zip(pair, MEASURES, strict=True):
        if grey:
            draw(axes, grey, measure, "#999999", band=False)
        draw(axes, curve, measure, colour, band=True)
    pair[1].set_ylim(0, 1.05)
