"""Methods that read a column of the generated file, and influence, which reads gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from methods import discover
from methods.base import column
from tests.methods.linear import cross_entropy, random_probe


def rated(context, scores, labels=None):
    """A cell whose generated rows have these scores."""
    rows = len(scores)
    return replace(
        context(2),
        labels=np.arange(rows) % 2 if labels is None else labels,
        ids=np.arange(rows),
        tables={column("score"): np.array(scores, dtype=np.float32)},
    )


def test_score_keeps_the_best_share_of_each_label(build, context):
    """Or of all rows."""
    scores = [9, 1, 8, 2, 7, 3, 6, 4]
    assert build("score", 2).table(rated(context, scores)).tolist() == [2, 0, 2, 0, 0, 2, 0, 2]
    assert build("score", 2, per_class=False).table(rated(context, scores)).tolist() == [2, 0, 2, 0, 2, 0, 2, 0]
    assert build("score", 2, share=1.0).table(rated(context, scores)).tolist() == [1.0] * 8


def test_score_draws_among_equal_rows(build, context):
    """Which of them is a matter of the seed; no better row is left out."""
    scores = [5.0] * 4 + [4.0] * 40 + [1.0] * 20
    kept = [
        build("score", 2, per_class=False).table(replace(rated(context, scores), seed=seed)) > 0 for seed in (0, 0, 1)
    ]
    for mask in kept:
        assert mask[:4].all()
        assert not mask[44:].any()
        assert mask.sum() == 32
    assert kept[0].tolist() == kept[1].tolist() != kept[2].tolist()


def test_score_by_threshold(context):
    """From the threshold on; none at all is an error that names the column and the largest score."""
    cls = discover()["score"]
    method = cls(cls.Config(how="threshold", threshold=4.5))
    assert method.table(rated(context, [4.5, 4.4, 5.0, 1.0])).tolist() == [2, 0, 2, 0]
    with pytest.raises(ValueError, match=r"no row has score of 4\.5 or more; largest 4\.0"):
        method.table(rated(context, [4.0, 3.0]))


@pytest.mark.parametrize(("threshold", "kept"), [(0.7, 3), (0.9, 2), (4.1, 1), (0.69, 4)])
def test_score_at_the_threshold_is_kept(threshold, kept, context):
    """Columns are float32, in which 0.7 is 0.69999999: such a row was left out."""
    cls = discover()["score"]
    method = cls(cls.Config(how="threshold", threshold=threshold))
    assert (method.table(rated(context, [0.7, 0.9, 0.5, 4.1, 0.69])) > 0).sum() == kept


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_score_as_weights(temperature, build, context):
    """Softmax of standardised scores: scale and offset do not matter, huge scores do no harm, equal ones weigh 1."""
    scores = np.random.default_rng(0).normal(size=30).astype(np.float32)
    method = build("score", 2, how="softmax", temperature=temperature, per_class=False)
    z = (scores - scores.mean(dtype=np.float64)) / scores.std(dtype=np.float64)
    expected = 30 * np.exp(z / temperature) / np.exp(z / temperature).sum()
    assert method.table(rated(context, scores)) == pytest.approx(expected, rel=1e-4)
    assert method.table(rated(context, scores * 1024 + 512)) == pytest.approx(expected, rel=1e-3)
    assert method.table(rated(context, np.full(30, 3.0))).tolist() == [1.0] * 30
    assert np.isfinite(method.table(rated(context, [1e30, -1e30] * 15))).all()


def test_group_dro_turns_to_the_group_with_the_largest_loss(build, sample, context):
    """Its share grows from update to update; weights of a batch that has all groups average 1."""
    method = build("group-dro", step_size=0.5)
    groups = np.arange(64) % 4
    method.start(replace(context(), tables={column("group"): groups.astype(np.float32)}))
    logits = torch.zeros(16, 3)
    case = sample(logits, torch.zeros(16, dtype=torch.int64))
    hard = torch.arange(16) % 4 == 2
    logits[hard, 0] = -4.0
    shares = []
    for _ in range(5):
        weight = method.losses(sample(logits, torch.zeros(16, dtype=torch.int64)).batch).weight
        assert float(weight.mean()) == pytest.approx(1)
        shares.append(float(weight[hard].sum() / weight.sum()))
    assert shares == sorted(shares)
    assert 0.25 < shares[0] < shares[-1] <= 1
    assert case.batch.labels.sum() == 0


def test_group_dro_without_steps_balances_groups(build, sample, context):
    """Equal groups' weights: each group of the batch has the same total."""
    method = build("group-dro", step_size=0.0)
    groups = (np.arange(64) < 4).astype(np.float32)
    method.start(replace(context(), tables={column("group"): groups}))
    weight = method.losses(sample().batch).weight
    assert float(weight[:4].sum()) == pytest.approx(8)
    assert float(weight[4:].sum()) == pytest.approx(8, rel=1e-5)


@pytest.mark.parametrize("per_class", [True, False])
def test_influence_keeps_the_rows_that_help(per_class, build, context):
    """Inner products of gradients by autograd, row by row; the share of each label, or of all."""
    probe = random_probe()
    method = build("influence", share=0.25, per_class=per_class)
    labels = probe.generated[1].numpy()
    method.start(replace(context(), labels=labels, ids=np.arange(64)))

    def gradient(rows, points, given):
        leaves = [weight.clone().requires_grad_() for weight in probe.weights]
        loss = cross_entropy(probe.log_probs(leaves, points[rows]), given[rows]).mean()
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, leaves)])

    real = gradient(torch.arange(10), *probe.real)
    score = np.array([float(gradient(torch.tensor([i]), *probe.generated) @ real) for i in range(64)])
    method.phase_end(0, probe)
    kept = method.weight.numpy() > 0
    for group in [labels == label for label in range(3)] if per_class else [labels >= 0]:
        count = round(0.25 * group.sum())
        assert (kept & group).sum() == count
        assert score[kept & group].min() >= score[~kept & group].max()
    assert float(method.weight.mean()) == pytest.approx(1)


def test_influence_trains_twice_and_chooses_once(build):
    """A warm-up, then anew; the second phase's end changes nothing. On real rows alone there is nothing to choose."""
    method = build("influence", warmup=0.25)
    first, second = method.phases(48)
    assert (first.updates, first.rows, second.updates, second.anew) == (12, "generated", 48, True)
    method.phase_end(0, random_probe())
    before = method.weight.clone()
    method.phase_end(1, random_probe(seed=9))
    assert torch.equal(method.weight, before)
    assert len(build("influence", train_on="real").phases(48)) == 1
