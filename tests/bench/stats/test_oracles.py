"""Agreement with the implementations of other packages on random inputs."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs as posthocs
import statsmodels.formula.api as smf
from scipy import stats
from sklearn.metrics import f1_score, log_loss

from bench.leaderboard.compare.across_tasks import ranks_of
from bench.leaderboard.figures.ranks import alike, critical_difference
from bench.stats import metrics
from bench.stats.conditional import mcnemar
from bench.stats.crossed import compare, components
from bench.stats.multiple import holm


@pytest.mark.parametrize("seed", range(3))
def test_variances_are_those_of_a_mixed_model(seed):
    """REML of crossed random effects in a balanced layout, where no variance is at its bound."""
    rng = np.random.default_rng(seed)
    seeds, examples = 6, 12
    d = 0.5 + rng.normal(size=(seeds, 1)) + rng.normal(size=examples) + 0.5 * rng.normal(size=(seeds, examples))
    frame = pd.DataFrame({"d": d.ravel(), "all": 1})
    frame["s"], frame["n"] = np.repeat(np.arange(seeds), examples), np.tile(np.arange(examples), seeds)
    parts = {"s": "0 + C(s)", "n": "0 + C(n)"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("d ~ 1", frame, groups="all", vc_formula=parts).fit(reml=True)
    result = components(d)
    names = model.model.exog_vc.names
    expected = dict(zip(names, model.vcomp, strict=True))
    assert float(result.interaction) == pytest.approx(model.scale, rel=1e-3)
    assert float(result.seed - result.interaction / examples) == pytest.approx(expected["s"], rel=1e-2)
    assert float(result.example - result.interaction / seeds) == pytest.approx(expected["n"], rel=1e-2)
    whole = compare(d, np.zeros_like(d))
    assert whole.difference == pytest.approx(model.params["Intercept"], abs=1e-6)
    assert whole.se == pytest.approx(model.bse["Intercept"], rel=1e-2)


@pytest.mark.parametrize("seed", range(5))
def test_ranks_that_differ_by_nemenyis_test(seed):
    rng = np.random.default_rng(seed)
    tasks, methods = 12, 5
    scores = rng.normal(size=(tasks, methods)) + np.array([2.0, 1.6, 0.4, 0.0, -1.0])
    ranks = np.mean([ranks_of(row.tolist()) for row in scores], axis=0)
    p = posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
    least = critical_difference(methods, tasks)
    upper = np.triu_indices(methods, 1)
    assert ((np.abs(ranks[:, None] - ranks) > least)[upper] == (p < 0.05)[upper]).all()
    order = np.argsort(ranks)
    for first, last in alike(ranks[order].tolist(), least):
        assert p[order[first], order[last]] >= 0.05


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_that_of_scikit_posthocs(seed):
    groups = list(np.random.default_rng(seed).normal(size=(4, 20)) + np.arange(4)[:, None] / 3)
    upper = np.triu_indices(4, 1)
    raw, corrected = (posthocs.posthoc_ttest(groups, p_adjust=how).to_numpy()[upper] for how in (None, "holm"))
    np.testing.assert_allclose(holm(raw.tolist()), corrected, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    labels, logits = rng.integers(3, size=80), rng.normal(size=(80, 4))  # the fourth class has no label
    p = np.exp(metrics.log_probabilities(logits))
    expected = f1_score(labels, logits.argmax(1), labels=range(4), average="macro", zero_division=0)
    assert metrics.macro_f1(labels, logits) == pytest.approx(expected)
    assert metrics.log_loss(labels, logits) == pytest.approx(log_loss(labels, p, labels=range(4)))


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_is_the_sign_test_of_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 100)) < [[0.8], [0.7]]
    result = mcnemar(a, b)
    assert result.p == pytest.approx(stats.binomtest(int((a & ~b).sum()), int((a ^ b).sum())).pvalue)
