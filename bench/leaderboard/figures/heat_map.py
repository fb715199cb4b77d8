"""A heat map: a matrix of coloured cells with a text in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import FloatArray
from bench.leaderboard.figures.style import name_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    import seaborn as sns

    sns.heatmap(
        values,
        ax=axes,
        cmap=sns.diverging_palette(36, 245, s=85, l=55, as_cmap=True),
        vmin=-bound,
        vmax=bound,
        annot=np.array(texts),
        fmt="",
        annot_kws={"fontsize": size},
        linewidths=1,
        linecolor="white",
        cbar=False,
        xticklabels=False,
        yticklabels=False,
    )
    for text in axes.texts:
        text.set_in_layout(False)  # it lies inside, and measuring hundreds is slow
    ticks = np.arange(len(values)) + 0.5
    axes.set_xticks(ticks, names[0], rotation=40 if turned else 0, ha="right" if turned else "center")
    name_rows(axes, names[1], 0.5)
    axes.grid(visible=False)
