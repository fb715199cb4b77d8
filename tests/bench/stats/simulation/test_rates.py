import numpy as np
import pytest

from bench.stats.crossed import compare
from bench.stats.equivalence import equivalence
from bench.stats.looks import planned_looks, shares
from bench.stats.multiple import holm
from bench.stats.simulation.grids import World
from bench.stats.simulation.rates import Line, count_rates, drawn, found, found_at_margin, margin_rates


@pytest.fixture(scope="module")
def grids():
    return list(drawn(Line("several looks", World(4, 10, 80, 0.05)), 12))


def p_of(scores, seeds):
    return [compare(one[:seeds], scores[0, :seeds]).p for one in scores[1:]]


def test_verdicts_are_those_of_the_report(grids):
    spent = dict(zip(planned_looks(10), shares(planned_looks(10)), strict=True))
    results = [found(scores) for scores in grids]
    for scores, result in zip(grids, results, strict=True):
        p, pairs = p_of(scores, 10), [compare(scores[i], scores[j]).p for i in range(4) for j in range(i)]
        looks = {n: min(p_of(scores, n)) for n in range(3, 11)}
        assert result.last == (p[-1] < 0.05)
        assert result.family == (holm(p).min() < 0.05)
        assert result.pairs == (holm(pairs).min() < 0.05)
        assert result.every_seed == any(value < 0.05 / 3 for value in looks.values())
        assert result.planned == any(looks[n] < 0.05 * share / 3 for n, share in spent.items())
    assert any(one.every_seed for one in results)


def test_equivalence_and_intervals_are_those_of_the_report():
    said = set()
    for scores in drawn(Line("few", World(4, 1, 350, 0.0, 0.99, shift=0.01)), 60):
        result = found_at_margin(scores)
        both = [compare(one, scores[0]) for one in scores[1:]]
        same = equivalence(both, 0.01)
        assert result.last == (same[-1] < 0.05)
        assert result.family == (holm(same).min() < 0.05)
        assert result.plain == (not both[-1].low <= -0.01 <= both[-1].high)
        said |= {result.plain, result.simultaneous}
    assert said == {True, False}


def test_looks_need_many_seeds():
    assert count_rates(Line("few", World(3, 3, 60, 0.02)), 4).shares["planned"] is None


def test_the_same_seed_gives_the_same_numbers():
    line = Line("few", World(3, 2, 60, 0.02))
    assert count_rates(line, 40) == count_rates(line, 40)
    assert margin_rates(line, 10).error(0.5) == pytest.approx(0.5 / np.sqrt(10))


def test_clusters_count_once():
    world = World(2, 1, 200, own=1.0, copies=4)
    assert count_rates(Line("a", world, clustered=True), 400).shares["last"] <= 0.085
    assert count_rates(Line("a", world), 400).shares["last"] > 0.2
