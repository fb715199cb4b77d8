"""Colours of lines and cells. Importing seaborn for them would take as long as drawing a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

# Seaborn's palette "colorblind", which is based on the colours of Okabe and Ito.
SERIES = ("#0173B2", "#DE8F05", "#029E73", "#D55E00", "#CC78BC", "#CA9161", "#FBAFE4", "#949494", "#ECE133", "#56B4E9")
# From Oklab to sRGB (Ottosson, 2020, A perceptual color space for image processing).
ROOTS = np.array([[1, 1, 1], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.291485548]])
LINEAR = np.array(
    [
        [4.0767416621, -1.2684380046, -0.0041960863],
        [-3.3077115913, 2.6097574011, -0.7034186147],
        [0.2309699292, -0.3413193965, 1.707614701],
    ]
)
LIGHTNESS, CHROMA = 0.7, 0.14
LOW, MIDDLE, HIGH = "#BD7131", "#F1F1F1", "#3A89CA"  # of a scale from negative to positive values


def series(count: int) -> list[str]:
    """Colours that are easy to tell apart; the eleventh is the first again."""
    return [SERIES[place % len(SERIES)] for place in range(count)]


def hues(count: int) -> list[tuple[float, ...]]:
    """Any number of different colours, equally light and with evenly spaced hues."""
    angle = 2 * np.pi * np.arange(count) / max(count, 1)
    oklab = np.stack([np.full(count, LIGHTNESS), CHROMA * np.cos(angle), CHROMA * np.sin(angle)], axis=1)
    linear = np.clip((oklab @ ROOTS) ** 3 @ LINEAR, 0, 1)
    srgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return [tuple(colour) for colour in srgb.tolist()]


def diverging() -> Colormap:
    """From orange over nearly white to blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("orange to blue", [LOW, MIDDLE, HIGH])
