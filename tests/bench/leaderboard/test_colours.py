"""Colours of figures: different ones, the same for the same number of lines, and no library that is slow to import."""

import numpy as np
import pytest

from bench.leaderboard.figures.colours import SERIES, hues, series
from bench.leaderboard.figures.heat_map import luminance


def test_series_begin_again_after_the_last():
    assert series(12) == [*SERIES, *SERIES[:2]]
    assert series(0) == []


@pytest.mark.parametrize("count", [0, 1, 2, 14, 40])
def test_hues_are_different_colours_of_about_one_lightness(count):
    found = np.array(hues(count)).reshape(-1, 3)
    assert len(np.unique(found, axis=0)) == count
    assert ((found >= 0) & (found <= 1)).all()
    light = [luminance(colour) for colour in found]
    assert max(light, default=0.3) - min(light, default=0.3) < 0.12


@pytest.mark.parametrize(("colour", "expected"), [((1, 1, 1), 1.0), ((0, 0, 0), 0.0), ((1, 0, 0), 0.2126)])
def test_luminance(colour, expected):
    assert luminance(np.array(colour, float)) == pytest.approx(expected)
