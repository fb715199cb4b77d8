"""The contract of every registered method, at its defaults and at the ends of the ranges that `tuned` searches."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from methods import discover
from methods.base import (
    DIVERSITY,
    LOG_WEIGHT_BOUND,
    QUALITY,
    Losses,
    Method,
    MethodConfig,
    RealUse,
    WeightMethod,
    lowest,
)

FLOATS = (torch.float32, torch.float64)


def reordered(batch, rows):
    """The batch with its rows taken in another order (or several times)."""
    return replace(
        batch,
        **{name: getattr(batch, name)[rows] for name in ("ids", "labels", "log_probs", "logp")},
        tables={name: table[rows] for name, table in batch.tables.items()},
        evaluate=lambda: batch.evaluate()[rows],
    )


def test_losses_and_weights_are_well_formed(variant, build, sample, all_finite):
    """One loss and one non-negative detached weight per row, from no more than the declared tables."""
    for n_classes, dtype in product((2, 3, 4), FLOATS):
        method = build(variant, n_classes)
        case = sample(n_classes=n_classes, dtype=dtype, requires=method.requires_of(method.config))
        loss, weight = method.losses(case.batch)
        assert loss.shape == (16,)
        assert loss.dtype == dtype
        assert loss.requires_grad
        assert all_finite(loss)
        if weight is not None:
            assert weight.shape == (16,)
            assert weight.dtype == dtype
            assert not weight.requires_grad
            assert all_finite(weight)
            assert bool((weight >= 0).all())


def test_effective_weight_is_the_slope_of_the_loss(variant, build, sample, gradient, close):
    """The gradient of the mean loss is that of cross-entropy with the stored weights: w (p - onehot) / B."""
    for dtype, tolerance in zip(FLOATS, (1e-5, 1e-10), strict=True):
        case = sample(dtype=dtype)
        weight = build(variant).losses(case.batch).weight
        if weight is None:
            pytest.skip("not a loss of p_y alone")
        onehot = torch.nn.functional.one_hot(case.batch.labels, 3)
        expected = weight[:, None] * (case.logits.softmax(1) - onehot) / 16
        close(gradient(case, build(variant)), expected.detach(), tolerance)


@pytest.mark.parametrize("extreme", ["scaled", "low", "high", "opposed"])
def test_extreme_logits_stay_finite(variant, extreme, build, sample, gradient, all_finite):
    """Huge logits, certain hits and certain misses: finite loss, weight, gradient and norm of the gradient."""
    for n_classes, dtype in product((2, 4), FLOATS):
        labels = torch.arange(16) % n_classes
        hit = torch.nn.functional.one_hot(labels, n_classes).double() * 1e4
        logits = {"scaled": None, "low": -hit, "high": hit, "opposed": 2 * hit - 1e4}[extreme]
        sure, unsure = hit.log_softmax(1), (-hit).log_softmax(1)
        for quality, diversity in [(sure, unsure), (unsure, sure), (sure, sure)]:
            case = sample(logits, labels, quality, diversity, n_classes=n_classes, scale=1e3, dtype=dtype)
            loss, weight = build(variant, n_classes).losses(case.batch)
            slope = gradient(case, build(variant, n_classes))
            assert all_finite(loss, loss.mean(), slope, slope.square().sum().sqrt()), (n_classes, dtype)
            assert weight is None or all_finite(weight), (n_classes, dtype)


def test_finite_along_the_whole_range_of_log_probabilities(variant, build, sample, gradient, all_finite):
    """p_y from exactly 1 through subnormal distances to 1 down to far below float32's smallest number."""
    for logp in (0.0, -1e-45, -1e-38, -1e-20, -1e-8, -1e-3, -1.0, -87.0, -104.0, -1e3, -1e4):
        rest = np.log(-np.expm1(logp)) if logp < 0 else -200.0
        logits = torch.tensor([[logp, rest]] * 4)
        case = sample(logits, torch.zeros(4, dtype=torch.int64), n_classes=2, size=4)
        loss, weight = build(variant, 2).losses(case.batch)
        assert all_finite(loss, gradient(case, build(variant, 2))), logp
        assert weight is None or all_finite(weight), logp


def test_shift_of_the_logits_changes_nothing(variant, build, sample, gradient, close):
    """Adding a constant to a row's logits leaves its loss, weight and gradient."""
    case = sample(dtype=torch.float64)
    moved = sample(case.logits + torch.linspace(-30, 30, 16)[:, None], case.batch.labels, dtype=torch.float64)
    before, after = build(variant).losses(case.batch), build(variant).losses(moved.batch)
    close(after.loss, before.loss)
    if before.weight is not None:
        close(after.weight, before.weight)
    close(gradient(moved, build(variant)), gradient(case, build(variant)))


def test_duplicated_batch_has_the_same_mean_loss(variant, build, sample, close):
    """The reduction is a plain mean over rows."""
    batch = sample(dtype=torch.float64).batch
    twice = reordered(batch, torch.arange(16).repeat(2))
    close(build(variant).losses(twice).loss.mean(), build(variant).losses(batch).loss.mean())


def test_permuted_batch_permutes_losses_and_weights(variant, build, sample, close):
    """No row's loss depends on its position."""
    batch = sample(dtype=torch.float64).batch
    order = torch.as_tensor(np.random.default_rng(1).permutation(16))
    before, after = build(variant).losses(batch), build(variant).losses(reordered(batch, order))
    close(after.loss, before.loss[order])
    if before.weight is not None:
        close(after.weight, before.weight[order])


def test_start_resets_all_state(variant, build, sample, context):
    """A method that is started again repeats itself to the last bit."""
    method = build(variant)
    batches = [sample(seed=seed).batch for seed in range(3)]
    first = [method.losses(batch) for batch in batches]
    method.start(context(real_use=method.real_use, requires=method.requires_of(method.config)))
    for before, batch in zip(first, batches, strict=True):
        after = method.losses(batch)
        assert torch.equal(before.loss, after.loss)
        assert before.weight is None or torch.equal(before.weight, after.weight)


def test_no_gradient_reaches_the_checkers(variant, build, sample):
    """The checkers' scores are data, even if a caller leaves them attached to a graph."""
    case = sample()
    build(variant).losses(case.batch).loss.mean().backward()
    assert case.quality.grad is None
    assert case.diversity.grad is None
    assert case.logits.grad is not None


def test_works_without_a_surrounding_graph(variant, build, sample):
    """Weights can be read off under `no_grad`, as at the end of training."""
    batch = sample().batch
    expected = build(variant).losses(batch).weight
    with torch.no_grad():
        result = build(variant).losses(batch).weight
    assert (expected is None and result is None) or torch.equal(expected, result)


def test_shuffle_keeps_the_weights_and_moves_them(weight_variant, build, sample):
    """The same weights within each class, or overall; the loss uses them where they landed."""
    plain = build(weight_variant).losses(sample().batch)
    batch = sample().batch
    for shuffle in ("class", "all"):
        mixed = build(weight_variant, shuffle=shuffle).losses(batch)
        assert torch.equal(mixed.weight.sort().values, plain.weight.sort().values), shuffle
        for label in batch.labels.unique() if shuffle == "class" else ():
            rows = batch.labels == label
            assert torch.equal(mixed.weight[rows].sort().values, plain.weight[rows].sort().values)
        torch.testing.assert_close(mixed.loss, -mixed.weight * batch.logp)


def test_shuffle_follows_the_methods_own_random_numbers(weight_variant, build, sample):
    """Equal generators give equal draws; without a shuffle none is drawn."""
    untouched = np.random.default_rng(3).random()
    for shuffle in ("none", "class", "all"):
        batches = [sample(seed=3).batch for _ in range(2)]
        first, second = (build(weight_variant, shuffle=shuffle).losses(batch).weight for batch in batches)
        assert torch.equal(first, second), shuffle
        assert (batches[0].rng.random() == untouched) == (shuffle == "none")


@pytest.mark.parametrize("shuffle", ["class", "all"])
def test_shuffle_breaks_the_link_between_rows_and_weights(shuffle, build, sample):
    """With weights that differ from row to row, some row gets another row's weight."""
    plain = build("dimp").losses(sample().batch).weight
    mixed = build("dimp", shuffle=shuffle).losses(sample().batch).weight
    assert not torch.equal(mixed, plain)


def test_only_a_full_shuffle_crosses_classes(build, sample):
    """`class` leaves each class its total weight, `all` does not."""
    batch = sample().batch
    totals = []
    for shuffle in ("none", "class", "all"):
        weight = build("dimp", shuffle=shuffle).losses(sample().batch).weight
        totals.append(torch.zeros(3).index_add(0, batch.labels, weight))
    torch.testing.assert_close(totals[1], totals[0])
    assert (totals[2] - totals[0]).abs().max() > 0.1


def test_weights_are_bounded_in_log_space():
    """The guard holds on both sides, and a clip is the largest weight there is."""
    log_weight = torch.tensor([-1e9, 0.0, 3.0, 1e9])
    expected = torch.tensor([-LOG_WEIGHT_BOUND, 0.0, 3.0, LOG_WEIGHT_BOUND]).exp()
    torch.testing.assert_close(WeightMethod.bounded_exp(log_weight), expected)
    assert WeightMethod.bounded_exp(log_weight, upper=5.0).max() == 5


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.1, 1), (0.11, 2), (0.3, 3), (0.7, 7), (1.0, 10)])
def test_lowest_rounds_up(share, count):
    """The smallest values, however they are ordered; exact shares are not rounded."""
    values = torch.tensor([5.0, 9.0, 0.0, 3.0, 7.0, 1.0, 8.0, 2.0, 6.0, 4.0])
    assert lowest(values, share).tolist() == (values < count).tolist()


def test_lowest_takes_the_ties():
    """Rows that are alike are in or out together."""
    assert lowest(torch.tensor([2.0, 1.0, 2.0, 3.0]), 0.5).tolist() == [True, True, True, False]


def test_undeclared_scores_are_an_error(sample, context):
    """Reading a checker that the method did not ask for names what is missing, in a batch and before the first."""
    with pytest.raises(LookupError, match="'quality'"):
        context(requires=(DIVERSITY,)).scored(QUALITY)
    with pytest.raises(LookupError, match="'diversity'"):
        context(requires=()).scored(DIVERSITY)
    batch = sample(requires=()).batch
    with pytest.raises(LookupError, match="'quality'"):
        _ = batch.quality_logp
    with pytest.raises(LookupError, match="'diversity'"):
        batch.given(DIVERSITY)


def test_training_on_real_rows_outweighs_other_uses(name):
    """As soon as real rows are trained on, that is the use to report, and pairing is partial."""
    cls = discover()[name]
    for rows in ("real", "both"):
        config = cls.Config(train_on=rows, real_share=None)
        assert cls.real_use_of(config) is RealUse.TRAIN
        assert cls.pairing_of(config) == "partial"
    config = cls.Config(train_on="generated", real_share=None)
    assert cls.real_use_of(config) is cls.real_use
    assert cls.pairing_of(config) == cls.pairing


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_real_share_is_a_proper_share(share):
    """Nothing and everything are other settings of `train_on`."""
    with pytest.raises(ValueError, match="real_share"):
        MethodConfig(train_on="both", real_share=share)


def test_real_share_needs_both_sets():
    """A share of one set is a contradiction."""
    with pytest.raises(ValueError, match="real_share needs train_on=both"):
        MethodConfig(real_share=0.5)
    assert MethodConfig(train_on="both", real_share=0.5).real_share == 0.5


def test_losses_is_the_only_thing_a_method_must_define(sample):
    """The base can be used without either of the two shapes."""

    class Margin(Method):
        def losses(self, batch):
            return Losses(1 - batch.log_probs.exp().amax(1), None)

    method = Margin()
    method.start(None)
    assert method.losses(sample().batch).weight is None
