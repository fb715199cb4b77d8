import math
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.stats.crossed import (
    Comparison,
    Components,
    by_cluster,
    compare,
    components,
    correct,
    half_width,
    level_of,
    macro_f1_influence,
)
from bench.stats.equivalence import reach
from bench.stats.interval import t_interval
from bench.stats.metrics import confusion, macro_f1_of
from bench.stats.multiple import benjamini_hochberg, holm
from bench.stats.pairwise import pairwise
from bench.stats.verdict import exact_points, incomplete, points, verdict


def random_scores(seed, seeds=5, rows=40, gap=0.1):
    """Correctness (S, N) of two methods, the first one better by about `gap`."""
    rng = np.random.default_rng(seed)
    hard = rng.random(rows)
    return tuple((hard + 0.3 * rng.normal(size=(seeds, rows)) < at).astype(float) for at in (0.7 + gap, 0.7))


def test_t_interval_is_scipys():
    values = [0.8, 0.83, 0.79, 0.85]
    result = t_interval(values)
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (result.low, result.high) == pytest.approx(expected)
    assert result.sd == pytest.approx(np.std(values, ddof=1))


def test_t_interval_ends_where_the_metric_does():
    free, cut = t_interval([0.1, 0.9]), t_interval([0.1, 0.9], bounds=(0.0, 1.0))
    assert free.low < 0
    assert free.high > 1
    assert (cut.mean, cut.sd, cut.low, cut.high) == (free.mean, free.sd, 0.0, 1.0)


def test_t_interval_of_one_and_of_none():
    one, none = t_interval([0.8]), t_interval([])
    assert one.mean == 0.8
    assert one.n == 1
    assert all(map(math.isnan, (one.sd, one.low, one.high, none.mean, none.low)))


def test_components_are_those_of_the_two_way_anova():
    from statsmodels.api import stats as sm
    from statsmodels.formula.api import ols

    a, b = random_scores(1, seeds=4, rows=25)
    d = a - b
    frame = pd.DataFrame({"d": d.ravel(), "s": np.repeat(np.arange(4), 25), "n": np.tile(np.arange(25), 4)})
    table = sm.anova_lm(ols("d ~ C(s) + C(n)", frame).fit())
    square = (table["sum_sq"] / table["df"]).to_numpy()
    result = components(d)
    assert [float(result.seed) * 25, float(result.example) * 4, float(result.interaction)] == pytest.approx(square)


def test_interval_by_hand():
    a, b = random_scores(2)
    d = a - b
    residual = d - d.mean(1, keepdims=True) - d.mean(0) + d.mean()
    interaction = (residual**2).sum() / (4 * 39)
    by_seed = (d.mean(1).var(ddof=1) + 1 / (6 * 40**2)) / 5
    by_example = max(d.mean(0).var(ddof=1) / 40 - interaction / 200, 0)
    h2 = stats.t.ppf(0.975, 4) ** 2 * by_seed + stats.t.ppf(0.975, 39) ** 2 * by_example
    fixed = stats.t.ppf(0.975, 39) ** 2 * max(d.mean(0).var(ddof=1) / 40, interaction / 200)
    result = compare(a, b)
    assert result.difference == pytest.approx(d.mean())
    assert result.high - result.difference == pytest.approx(math.sqrt(max(h2, fixed)))
    assert result.difference - result.low == pytest.approx(result.high - result.difference)
    assert stats.t.ppf(0.975, result.df) * result.se == pytest.approx(result.high - result.difference)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_p_is_where_the_interval_reaches_zero(seeds, seed):
    a, b = random_scores(seed, seeds=seeds, gap=0.05 * seed)
    result = compare(a, b)
    assert (result.p < 0.05) == (result.low > 0 or result.high < 0)
    assert 0 < result.p <= 1
    swapped = compare(b, a)
    assert (swapped.difference, swapped.low, swapped.p) == pytest.approx((-result.difference, -result.high, result.p))


@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 25])
@pytest.mark.parametrize("rows", [10, 400, 100_000])
def test_levels_are_those_of_bisection(seeds, rows):
    rng = np.random.default_rng([seeds, rows])
    seed, example, share = (rng.uniform(size=200) for _ in range(3))
    parts = [10 ** (-8 + 5 * seed) * (seed > 0.1), 10 ** (-4 + 3 * example), 10 ** (-4 + 3 * example) * share]
    variances = Components(*(parts if seeds > 1 else (np.full(200, np.nan), parts[1], np.full(200, np.nan))))
    distance = np.sqrt(half_width(variances, seeds, rows, 0.025) ** 2 * 10 ** rng.uniform(-2, 2, size=200))
    for reached in (False, True):

        def half(tail):
            own = half_width(variances, seeds, rows, tail)
            return reach(own, rows, tail) if reached else own  # noqa: B023 - called in this round alone

        low, high = np.full(200, math.log(1e-300)), np.zeros(200)
        for _ in range(64):
            middle = (low + high) / 2
            wider = half(np.exp(middle) / 2) > distance
            low, high = np.where(wider, middle, low), np.where(wider, high, middle)
        found = level_of(distance, half)
        assert found == pytest.approx(np.exp(high), rel=1e-11)
        assert found == pytest.approx(np.exp(high), rel=0, abs=1e-12)
        one = level_of(distance[7], lambda tail: half(np.full(200, tail))[7])
        assert float(one) == pytest.approx(found[7], rel=1e-11), "whatever is computed with it"


def test_levels_end_at_1_and_close_to_0():
    d = np.zeros((2, 50))
    none = Components(*(np.asarray(0.0) for _ in range(3)))
    assert level_of(np.asarray(0.5), lambda tail: half_width(none, 1, 50, tail)) == 1e-300
    d[0, :2] = 1.0
    for distance, expected in ((1e-9, 1.0), (1e9, 1e-300)):
        level = level_of(np.asarray(distance), lambda tail: half_width(components(d[:1]), 1, 50, tail))
        assert level == pytest.approx(expected, abs=1e-6)


def test_one_seed_is_the_paired_t_test_over_examples():
    a, b = random_scores(3, seeds=1, rows=60, gap=0.3)
    result = compare(a, b)
    assert result.conditional
    assert result.df == pytest.approx(59, rel=1e-6)
    assert result.p == pytest.approx(stats.ttest_rel(a[0], b[0]).pvalue, rel=1e-6)
    assert math.isnan(result.components["seed"])


def test_with_seed_variance_alone_it_is_the_t_test_over_seeds():
    d = np.array([0.1, 0.3, -0.05, 0.2])[:, None] + np.zeros((4, 50))
    result = compare(d, np.zeros_like(d))
    variance = d[:, 0].var(ddof=1) + 1 / (6 * 50**2)  # of the seed means, and of rounding
    assert result.p == pytest.approx(2 * stats.t.sf(d.mean() / math.sqrt(variance / 4), 3), rel=1e-6)
    assert result.p == pytest.approx(stats.ttest_1samp(d[:, 0], 0).pvalue, rel=0.01)
    assert result.df == pytest.approx(3, rel=1e-6)


def test_identical_methods_differ_by_zero():
    a, _ = random_scores(4)
    result = compare(a, a)
    assert (result.difference, result.p, result.se) == (0, 1, 0)
    assert result.high == -result.low > 0
    assert verdict(result, result.p).word == "undecided"
    same = np.ones((5, 2_000))
    assert verdict(compare(same, same), 1.0).word == "equivalent"


def test_a_method_that_is_always_right_differs_from_one_that_never_is():
    """Although nothing varies, the difference of 1 is no difference of 0."""
    assert compare(np.ones((3, 50)), np.zeros((3, 50))).p < 1e-4


@pytest.mark.parametrize("seeds", [1, 4])
def test_all_pairs_at_once_are_the_comparisons_of_two(seeds):
    """Of four methods whose accuracies differ."""
    rng = np.random.default_rng(7)
    scores = (rng.random((4, seeds, 60)) < np.array([0.6, 0.7, 0.8, 0.9])[:, None, None]).astype(float)
    pairs = pairwise(scores)
    for i in range(4):
        for j in range(4):
            one = compare(scores[i], scores[j])
            assert pairs.difference[i, j] == pytest.approx(one.difference)
            assert pairs.p[i, j] == pytest.approx(one.p)
            if i != j:
                found = [float(part[i, j]) for part in pairs.variances]
                assert found == pytest.approx(list(one.components.values()), nan_ok=True)


def numbers(found: Comparison) -> list[float]:
    return [found.difference, found.low, found.high, found.p, found.examples, *found.components.values()]


def test_clusters_are_the_rows_of_the_comparison():
    """Clusters of one row each are the rows, in any order. Rows that stand there three times count once."""
    rng = np.random.default_rng(8)
    a, b = rng.random((2, 3, 40))
    rows = numbers(compare(a, b))
    order = rng.permutation(40)
    assert numbers(compare(by_cluster(a, order), by_cluster(b, order))) == pytest.approx(rows)
    copies = np.tile(np.arange(40), 3)
    assert numbers(compare(by_cluster(a[:, copies], copies), by_cluster(b[:, copies], copies))) == pytest.approx(rows)


def test_seeds_that_agree_by_accident_do_not_make_a_difference_certain():
    d = np.zeros((2, 20))
    d[0, 0] = d[1, 1] = 1.0  # the same mean at both seeds: A = 0, and V < 0 without the floor
    d[0, 2] = d[1, 2] = 0.0
    result = compare(d, np.zeros_like(d))
    assert result.components["seed"] == pytest.approx(0, abs=1e-30)
    assert result.se > 0
    assert result.p > 0.05


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((2, 1), (2, 1)), ((0, 3), (0, 3)), ((3,), (3,))])
def test_impossible_comparisons_are_refused(shapes):
    with pytest.raises(ValueError, match=r"scores must be|needs a seed"):
        compare(np.zeros(shapes[0]), np.zeros(shapes[1]))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(3, 15), st.integers(1, 3), st.integers(0, 10_000))
def test_influence_is_the_jackknife(classes, rows, seeds, seed):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(classes, size=rows), rng.integers(classes, size=(seeds, rows))
    full = macro_f1_of(confusion(labels, predicted, classes))
    remaining = [np.delete(np.arange(rows), n) for n in range(rows)]
    without = np.stack([macro_f1_of(confusion(labels[k], predicted[:, k], classes)) for k in remaining], axis=1)
    expected = full[:, None] + (rows - 1) * (without.mean(1, keepdims=True) - without)
    result = macro_f1_influence(labels, predicted, classes)
    np.testing.assert_allclose(result, expected, atol=1e-10)
    np.testing.assert_allclose(result.mean(1), full, atol=1e-12)
    # The variances over examples and over seeds are the two delete-one jackknife variances of the mean over seeds.
    over_examples = (rows - 1) / rows * ((without.mean(0) - without.mean()) ** 2).sum()
    assert float(components(result).example) / rows == pytest.approx(over_examples, abs=1e-12)
    if seeds > 1:
        left = np.array([np.delete(full, s).mean() for s in range(seeds)])
        over_seeds = (seeds - 1) / seeds * ((left - left.mean()) ** 2).sum()
        assert float(components(result).seed) / seeds == pytest.approx(over_seeds, abs=1e-12)


def test_macro_f1_difference():
    rng = np.random.default_rng(7)
    labels = rng.integers(3, size=50)
    good = np.where(rng.random((3, 50)) < 0.8, labels, 0)
    poor = np.where(rng.random((3, 50)) < 0.4, labels, 0)
    result = compare(*(macro_f1_influence(labels, part, 3) for part in (good, poor)))
    both = [macro_f1_of(confusion(labels, p, 3)).mean() for p in (good, poor)]
    assert result.difference == pytest.approx(both[0] - both[1])
    assert result.p < 0.05
    assert compare(correct(labels, good), correct(labels, poor)).difference == pytest.approx(
        (good == labels).mean() - (poor == labels).mean()
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_match_statsmodels(p):
    with mock.patch("gc.collect"):  # `multipletests` calls it, which takes half a second once torch is imported
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
        np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)
    assert np.isnan(benjamini_hochberg([*p, math.nan])[-1])


def test_a_planned_comparison_that_failed_still_counts():
    corrected = holm([0.01, math.nan, 0.03])
    assert corrected[[0, 2]] == pytest.approx([0.03, 0.06])
    assert math.isnan(corrected[1])


def result(difference, half, *, conditional=False):
    """A comparison with the fields that a verdict uses."""
    variances = {"seed": 5 * (half / 2.78) ** 2, "example": 0.0, "interaction": 0.0}
    return Comparison(
        difference, difference - half, difference + half, 0.5, 5.0, half / 2, 5, 40_000, conditional, variances
    )


@pytest.mark.parametrize(
    ("found", "p", "expected"),
    [
        (result(0.03, 0.01), 0.01, "better"),
        (result(-0.03, 0.01), 0.01, "worse"),
        (result(0.03, 0.04), 0.3, "undecided (detectable: 5.4 points)"),
        (result(0.03, 0.01), 0.06, "undecided (detectable: 1.4 points)"),  # lost to the correction
        (result(0.001, 0.004), 0.6, "equivalent within 1 point"),
        (result(0.005, 0.004), 0.01, "equivalent within 1 point"),  # significant and negligible
        (result(0.03, 0.01, conditional=True), 0.01, "better (one seed: these trained models only)"),
    ],
)
def test_verdicts(found, p, expected):
    assert verdict(found, p).text == expected


def test_verdict_words():
    assert verdict(result(0.03, 0.01), 0.01, exploratory=True).text == "better, exploratory"
    assert verdict(result(0.01, 0.012), 0.01, delta=0.025).text == "equivalent within 2.5 points"
    assert incomplete(4, 5).text == "incomplete: 4/5"
    assert not incomplete(4, 5).word
    assert points(0.005) == "0.5 points"
    assert exact_points(0.0025) == "0.25 points"
    assert exact_points(0.01) == "1 point"
    assert exact_points(0.0004) == "0.04 points"


@pytest.mark.parametrize("seeds", [2, 5])
def test_effect_by_hand(seeds):
    a, b = random_scores(5, seeds=seeds, gap=0.05)
    d, result = a - b, compare(a, b)
    seeds, examples = d.shape
    part = result.components
    variance = part["seed"] + max(part["example"] - part["interaction"] / seeds, 0) / examples
    assert result.effect == pytest.approx(d.mean() / math.sqrt(variance))
    assert compare(b, a).effect == pytest.approx(-result.effect)


@pytest.mark.parametrize("shift", [0.0, 0.25, -0.25])
def test_where_nothing_varies_there_is_no_effect_size(shift):
    d = np.full((3, 20), shift)
    assert math.isnan(compare(d, np.zeros_like(d)).effect)


def test_one_seed_has_no_effect_size():
    a, b = random_scores(7, seeds=1)
    assert math.isnan(compare(a, b).effect)
