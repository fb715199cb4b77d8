"""A heat map: a matrix of coloured cells with a text in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.figures.colours import diverging
from bench.leaderboard.figures.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DARK = 0.408  # luminance of a colour (WCAG) up to which a text on it is white


def heat_map(
    axes: Axes,
    values: FloatArray,
    texts: Sequence[Sequence[str]],
    names: tuple[Sequence[str], Sequence[str]],
    *,
    bound: float,
    size: float,
    turned: bool = True,
) -> None:
    """Draw `values` (M, M) from -`bound` to `bound`, the first row at the top; NaN is no cell.

    `names`: of columns and rows; those of columns are `turned` if they are long. `size`: of the texts, in points.
    """
    count = len(values)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=diverging(), vmin=-bound, vmax=bound, linewidth=1, edgecolor="white"
    )
    mesh.update_scalarmappable()
    colours = np.asarray(mesh.get_facecolor())
    for place in np.flatnonzero(~np.isnan(values)):
        row, column = divmod(int(place), count)
        colour = "white" if luminance(colours[place]) <= DARK else INK
        text = axes.text(column + 0.5, row + 0.5, texts[row][column], color=colour, ha="center", va="center")
        text.set(fontsize=size, in_layout=False)  # it lies inside, and measuring hundreds is slow
    ticks = np.arange(count) + 0.5
    axes.set(xlim=(0, count), ylim=(count, 0))
    axes.set_xticks(ticks, names[0], rotation=40 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(ticks, names[1], va="center")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def luminance(colour: FloatArray) -> float:
    """The relative luminance of an RGBA colour, as WCAG defines it."""
    rgb = np.where(colour[:3] <= 0.03928, colour[:3] / 12.92, ((colour[:3] + 0.055) / 1.055) ** 2.4)
    return float(rgb @ (0.2126, 0.7152, 0.0722))
