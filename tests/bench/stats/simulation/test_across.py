import numpy as np
import pytest

from bench.stats.crossed import compare
from bench.stats.simulation.across import Tasks, mean_gain_misses
from bench.stats.simulation.grids import World, batches
from bench.stats.strata import strata


def test_misses_are_those_of_the_summary_across_tasks():
    worlds = (World(2, 1, 80, 0.3), World(2, 2, 60, 0.0))
    rng = np.random.default_rng([0, *b"two"])
    drawn = [np.concatenate(list(batches(rng, world, 100))) for world in worlds]
    p = [float(strata([compare(grid[1], grid[0]) for grid in grids]).p()) for grids in zip(*drawn, strict=True)]
    plain, corrected = mean_gain_misses(Tasks("two", worlds), 100)
    assert plain == pytest.approx(np.mean(np.array(p) < 0.05))
    assert corrected == pytest.approx(np.mean(np.array(p) < 0.05 / 8))
    assert plain > 0
