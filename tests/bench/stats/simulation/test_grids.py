"""Simulated grids have the accuracy, the spread between seeds and the repeated rows that they claim."""

import numpy as np
import pytest

from bench.stats.simulation.grids import World, correctness


@pytest.mark.parametrize(
    "world",
    [
        World(3, 4, 300, 0.02),
        World(2, 4, 300, 0.03, 0.9),
        World(2, 4, 300, 0.02, tails=3.0),
        World(2, 4, 300, 0.01, copies=4),
        World(2, 4, 300, 0.01, collapse=0.25),
    ],
)
def test_methods_are_equally_good_on_average(world):
    right = correctness(np.random.default_rng(0), world, 400)
    assert right.shape == (400, world.methods, 4, 300)
    means = right.mean(axis=(0, 2, 3))
    assert means == pytest.approx(np.full(world.methods, means[0]), abs=0.006)
    assert means[0] == pytest.approx(world.accuracy, abs=0.01)


def test_seeds_spread_as_asked():
    grids = correctness(np.random.default_rng(1), World(2, 3, 4_000, 0.025, spread=2.0), 400)
    differences = grids.mean(axis=3).std(axis=2, ddof=1)
    # The rows of one seed add a little to the spread between seeds.
    assert np.sqrt((differences**2).mean(axis=0)) == pytest.approx([0.025, 0.05], rel=0.1)


def test_copies_are_the_same_rows():
    world = World(2, 3, 10, copies=4)
    right = correctness(np.random.default_rng(2), world, 5)
    assert right.shape == (5, 2, 3, 10)
    assert world.clusters.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]
    assert (right[..., 0] == right[..., 3]).all()


def test_a_collapse_is_one_seed_in_ten():
    grids = correctness(np.random.default_rng(3), World(2, 10, 500, collapse=0.25), 200)
    accuracy = grids.mean(axis=3)
    assert (accuracy[:, 1] < 0.65).mean() == pytest.approx(0.1, abs=0.02)
    assert (accuracy[:, 0] < 0.65).mean() == 0


@pytest.mark.parametrize("sd", [0.0, 0.05])
def test_all_but_the_first_are_shifted(sd):
    grids = correctness(np.random.default_rng(4), World(3, 4, 500, sd, 0.9, spread=2.0, shift=0.05), 400)
    assert grids.mean(axis=(0, 2, 3)) == pytest.approx([0.9, 0.85, 0.85], abs=0.008)
