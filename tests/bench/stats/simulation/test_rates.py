import numpy as np
import pytest

from bench.stats.multiple import holm
from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import Line, count_rates, summary


def test_rates_are_those_of_holms_correction():
    rng = np.random.default_rng(0)
    p = rng.random((300, 4, 4)) / 20
    p = np.minimum(p, p.transpose(0, 2, 1))
    upper = np.triu_indices(4, 1)
    rates = summary(p)
    assert rates.last == pytest.approx((p[:, 3, 0] < 0.05).mean())
    assert rates.family == pytest.approx(np.mean([holm(one[1:, 0].tolist()).min() < 0.05 for one in p]))
    assert rates.pairs == pytest.approx(np.mean([holm(one[upper].tolist()).min() < 0.05 for one in p]))
    assert rates.error(0.5) == pytest.approx(0.5 / np.sqrt(300))


def test_the_same_seed_gives_the_same_numbers():
    line = Line("few", World(3, 2, 60, 0.02))
    assert count_rates(line, 40) == count_rates(line, 40)


def test_clusters_count_once():
    world = World(2, 1, 200, own=1.0, copies=4)
    assert count_rates(Line("a", world, clustered=True), 400).last <= 0.085
    assert count_rates(Line("a", world), 400).last > 0.2
