import numpy as np
import pytest
from scipy import stats

from bench.stats.calibration import Design
from bench.stats.calibration_looks import COMPARED, draw_grids, look_rates, rejected, verdicts
from bench.stats.crossed import compare, components
from bench.stats.looks import FEWEST, over_looks, planned_looks, shares
from bench.stats.multiple import holm


@pytest.mark.parametrize("most", range(FEWEST, 60))
def test_looks_are_few_and_their_shares_sum_to_one(most):
    looks = planned_looks(most)
    assert 2 <= len(looks) <= 4
    assert (min(looks), looks[-1]) >= (3, most)
    assert list(looks) == sorted(set(looks))
    assert shares(looks).sum() == pytest.approx(1.0)
    assert (shares(looks) > 0).all()


def test_too_few_seeds_for_looks():
    with pytest.raises(ValueError, match="at least 4 seeds"):
        planned_looks(3)


def test_p_over_looks_only_falls():
    looks = (3, 5, 7, 10)
    p = [0.02, 0.001, 0.04, 0.012]
    spent = [27 / 1000, 98 / 1000, 218 / 1000, 657 / 1000]
    expected = [min(1.0, *(one / share for one, share in zip(p[:n], spent, strict=False)), 1.0) for n in range(1, 5)]
    result = [over_looks(p[:n], looks) for n in range(1, 5)]
    assert result == pytest.approx(expected)
    assert result == sorted(result, reverse=True)
    assert over_looks([1.0, 1.0], looks) == 1.0


def test_errors_over_all_looks_of_seeds_alone():
    """Independent of the simulation in `bench`: eight t tests over at most 10 seeds, Holm at each look."""
    rng = np.random.default_rng(3)
    seeds = rng.standard_normal((4_000, 10, 8))
    false, unplanned = np.zeros(4_000, bool), np.zeros(4_000, bool)
    best = np.ones((4_000, 8))
    for look in range(3, 11):
        p = stats.ttest_1samp(seeds[:, :look], 0.0, axis=1).pvalue
        unplanned |= p.min(axis=1) < 0.05 / 8
        if look in (3, 5, 7, 10):
            place = (3, 5, 7, 10).index(look)
            best = np.minimum(best, p / shares((3, 5, 7, 10))[place])
            false |= np.array([holm(one).min() < 0.05 for one in best])
    assert false.mean() < 0.055
    assert unplanned.mean() > 0.15


@pytest.mark.parametrize(("sd", "rows"), [(0.0, 350), (0.025, 2_000), (0.04, 20_000)])
def test_errors_over_all_looks(sd, rows):
    result = look_rates(Design(10, rows, sd), 3_000)
    assert max(result.planned, result.beside_true) <= 0.055 + 2 * result.error(0.055)
    assert result.planned < result.unplanned
    for size in result.power:
        assert result.fixed_power[size] - 0.1 < result.power[size] <= result.fixed_power[size] + 0.01
        assert 3 <= result.seeds[size] < 10
        assert 0 < result.saved[size] < 0.7
    assert result == look_rates(Design(10, rows, sd), 3_000)


def test_grids_at_a_look_are_those_of_a_whole_table():
    design = Design(6, 40, 0.03)
    rng = np.random.default_rng(0)
    grids = draw_grids(rng, 4_000, design)
    rows = rng.normal(0, np.sqrt(design.example), (4_000, 1, 40))
    whole = rng.normal(0, design.sd, (4_000, 6, 1)) + rows + rng.normal(0, np.sqrt(design.residual), (4_000, 6, 40))
    for look in (3, 6):
        mean, variances = grids.at(look)
        expected = components(whole[:, :look])
        assert mean.var() == pytest.approx(whole[:, :look].mean(axis=(1, 2)).var(), rel=0.06)
        for name in expected._fields:
            assert getattr(variances, name).mean() == pytest.approx(getattr(expected, name).mean(), rel=0.03), name
            assert getattr(variances, name).var() == pytest.approx(getattr(expected, name).var(), rel=0.15), name
    first, last = grids.at(3)[1].example, grids.at(6)[1].example
    expected_first, expected_last = components(whole[:, :3]).example, components(whole).example
    correlation = np.corrcoef(expected_first, expected_last)[0, 1]
    assert np.corrcoef(first.ravel(), last.ravel())[0, 1] == pytest.approx(correlation, abs=0.05)


def test_rejections_are_holms():
    rng = np.random.default_rng(1)
    p = 0.06 * rng.uniform(0, 1, (500, COMPARED)) ** 3
    passed = np.stack([p <= 0.05 / level for level in range(1, COMPARED + 1)])
    expected = np.stack([holm(one) <= 0.05 for one in p])
    assert 0 < expected.mean() < 1
    assert (rejected(passed) == expected).all()


def test_a_verdict_of_the_simulation_is_that_of_the_p_values():
    """One grid by the thresholds of the simulation, and by p-values over looks."""
    rng = np.random.default_rng(5)
    looks, true = planned_looks(10), np.linspace(0, 0.12, COMPARED)
    rows, own = rng.normal(0, 0.2, (COMPARED, 1, 300)), rng.normal(0, 0.3, (COMPARED, 10, 300))
    scores = rng.normal(0, 0.03, (COMPARED, 10, 1)) + rows + own + true[:, None, None]
    p = [[compare(one[:look], np.zeros((look, 300))).p for look in looks] for one in scores]
    when = [
        next(
            (look for n, look in enumerate(looks) if holm([over_looks(q[: n + 1], looks) for q in p])[m] <= 0.05),
            np.inf,
        )
        for m in range(COMPARED)
    ]
    grids = OneGrid(scores)
    found = verdicts(grids, 300, looks, shares(looks).tolist(), np.zeros(COMPARED))
    assert found[0].tolist() == when
    assert len(set(when)) > 2


class OneGrid:
    """A grid that is not drawn, with the interface of `Grids`."""

    def __init__(self, scores):
        self.scores, self.rows = scores, np.zeros((1, len(scores)))

    def at(self, count):
        shown = self.scores[None, :, :count]
        return shown.mean(axis=(2, 3)), components(shown)
