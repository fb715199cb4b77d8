import numpy as np
import pytest

from bench.stats.calibration import Design, draw, rates, wishart
from bench.stats.crossed import Components, components
from tests.bench.stats.simulate import gaussian


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("sd", [0.0, 0.025])
def test_rates_are_what_the_reports_promise(seeds, sd):
    result = rates(Design(seeds, 1_500, sd), 10_000)
    assert result.false_positive <= 0.055 + 2 * result.error(0.055)
    assert result.family_wise <= 0.055 + 2 * result.error(0.055)
    assert result.family_wise <= result.max_t <= 0.055 + 2 * result.error(0.055)
    assert result.coverage >= 0.935
    assert result.power > {3: 0.3, 5: 0.55}[seeds]
    assert result == rates(Design(seeds, 1_500, sd), 10_000)


@pytest.mark.parametrize("seeds", [2, 12])  # below and above the size of the family: both ways to draw
def test_draws_are_those_of_whole_grids(seeds):
    rng = np.random.default_rng(seeds)
    design = Design(seeds, 40, 0.03)
    whole = gaussian(rng, 20_000, seeds, 40, 0.03, total=design.total, shared=design.lasting)
    drawn = draw(rng, 20_000, design, 4)
    assert drawn.mean.shape == (20_000, 4)
    for name in Components._fields:
        expected, result = getattr(components(whole), name), getattr(drawn.variances, name)
        assert result.mean(axis=0) == pytest.approx(expected.mean(), rel=0.04), name
        assert result.var(axis=0) == pytest.approx(expected.var(), rel=0.1), name
    assert drawn.mean.var(axis=0) == pytest.approx(whole.mean(axis=(1, 2)).var(), rel=0.05)
    assert drawn.mean.var(axis=0) == pytest.approx(design.variance, rel=0.05)
    assert np.corrcoef(drawn.mean.T)[0, 1:] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("free", [2, 3, 8])
def test_wishart_moments(free):
    root = np.linalg.cholesky(np.array([[1.0, 0.5, 0.2], [0.5, 2.0, 0.0], [0.2, 0.0, 1.0]]))
    result = wishart(np.random.default_rng(free), 60_000, free, root)
    expected = root @ root.T
    np.testing.assert_allclose(result.mean(axis=0), expected, atol=0.03)
    own = np.diagonal(expected)
    variance = (expected**2 + np.outer(own, own)) / free
    np.testing.assert_allclose(result.var(axis=0), variance, rtol=0.08)
