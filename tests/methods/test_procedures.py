"""Procedures that choose rows or phases: co-teaching, InfoBatch, SuperGen's filter, fine-tuning on real rows."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

DOUBLE = torch.float64


def test_each_network_learns_what_the_other_finds_easy(build, sample):
    """The 1 - rate of the rows with the smallest loss, swapped; each batch keeps its total weight."""
    method = build("co-teaching", rate=0.5)
    batches = [replace(sample(seed=seed).batch, step=9) for seed in (0, 1)]
    batches[1] = replace(batches[1], labels=batches[0].labels)
    easy = [(-batch.logp).argsort()[:8].sort().values.tolist() for batch in batches]
    result = method.joint(batches)
    assert easy[0] != easy[1]
    assert [losses.weight.nonzero().flatten().tolist() for losses in result] == easy[::-1]
    for batch, losses in zip(batches, result, strict=True):
        assert losses.weight.unique().tolist() == [0, 2]
        torch.testing.assert_close(losses.loss, -losses.weight * batch.logp)


def test_equal_networks_choose_equally(build, sample):
    """With the same losses there is nothing to swap; with rate 0 all rows are chosen."""
    batch = replace(sample().batch, step=9)
    first, second = build("co-teaching").joint([batch, batch])
    assert torch.equal(first.weight, second.weight)
    assert all((losses.weight == 1).all() for losses in build("co-teaching", rate=0.0).joint([batch, batch]))


@pytest.mark.parametrize(("step", "left_out"), [(0, 0), (1, 2), (2, 4), (5, 8), (9, 8)])
def test_co_teaching_leaves_out_more_from_update_to_update(step, left_out, build, sample):
    """From 0 to `rate` over the first `ramp` of ten updates."""
    weight = build("co-teaching", rate=0.5, ramp=0.4).weights(replace(sample().batch, step=step))
    assert int((weight == 0).sum()) == left_out


def visit(method, sample, losses, step, epoch):
    """One visit of rows 0 to n - 1 with given losses; the weights of those kept, by id."""
    rng = np.random.default_rng([step, epoch])
    ids = np.arange(len(losses))
    remaining = method.keep(ids, step, epoch, rng)
    ids = ids if remaining is None else ids[remaining]
    logits = torch.stack([-losses[ids], torch.log(-torch.expm1(-losses[ids]))], 1)
    batch = sample(logits, torch.zeros(len(ids), dtype=torch.int64), n_classes=2, size=len(ids), dtype=DOUBLE).batch
    return dict(
        zip(ids.tolist(), method.losses(replace(batch, ids=torch.from_numpy(ids))).weight.tolist(), strict=True)
    )


def test_infobatch_skips_easy_rows_and_rescales_those_that_stay(build, sample):
    """Below the mean of the last losses: skipped, or twice the weight. Above it: always there, at 1."""
    method = build("infobatch", 2, until=1.0)
    losses = torch.linspace(0.1, 3.2, 32, dtype=DOUBLE)
    assert set(visit(method, sample, losses, 0, 0).values()) == {1.0}
    result = visit(method, sample, losses, 1, 1)
    easy = (losses < losses.mean()).sum().item()
    assert all(result[row] == 1 for row in range(easy, 32))
    stayed = [result[row] for row in range(easy) if row in result]
    assert 0 < len(stayed) < easy
    assert set(stayed) == {2.0}


def test_infobatch_is_unbiased(build, sample):
    """Over many draws every row counts once, and the sum of weighted losses is that of all rows."""
    losses = torch.linspace(0.1, 3.2, 32, dtype=DOUBLE)
    total = torch.zeros(32, dtype=DOUBLE)
    method = build("infobatch", 2, until=1.0)
    visit(method, sample, losses, 0, 0)
    for step in range(1, 1001):
        for row, weight in visit(method, sample, losses, step % 10, step).items():
            total[row] += weight / 1000
    assert total.numpy() == pytest.approx(np.ones(32), abs=0.15)
    assert float((total * losses).sum()) == pytest.approx(float(losses.sum()), rel=0.02)


@pytest.mark.parametrize("epochs", [3, 5, 10])
def test_infobatch_anneals(epochs, build, sample, context):
    """After 0.875 of the updates every row is there at weight 1, whole number of epochs or not."""
    method = build("infobatch", 2)
    method.start(replace(context(2), updates=8 * epochs))
    losses = torch.linspace(0.1, 3.2, 32, dtype=DOUBLE)
    for step in range(8 * epochs):
        result = visit(method, sample, losses, step, step // 8)
        whole = len(result) == 32 and set(result.values()) == {1.0}
        if step < 8 or step >= 0.875 * 8 * epochs:
            assert whole
        elif step // 8 == 1:
            assert not whole


def test_infobatch_measures_its_mean_once_an_epoch(build, sample):
    """What is easy does not move while an epoch's losses fall."""
    method = build("infobatch", 2, until=1.0)
    losses = torch.linspace(0.1, 3.2, 32, dtype=DOUBLE)
    visit(method, sample, losses, 0, 0)
    visit(method, sample, losses / 100, 1, 1)
    assert method.threshold == pytest.approx(float(losses.mean()), rel=1e-5)
    visit(method, sample, losses, 2, 2)
    assert method.threshold < losses.mean() / 1.5


def test_infobatch_never_empties_a_batch(build, sample):
    """All rows easy and all skipped: they stay, at weight 1."""
    method = build("infobatch", 2, r=0.999, until=1.0)
    losses = torch.cat([torch.full((4,), 0.1), torch.full((28,), 3.0)]).double()
    visit(method, sample, losses, 0, 0)
    assert visit(method, sample, losses[:4], 1, 1) == dict.fromkeys(range(4), 1.0)


def ensemble(build, context, **settings):
    """A filter that has seen two passes over 48 rows of three classes, and these passes."""
    method = build("supergen-filter", **settings)
    logits = torch.randn(2, 48, 3, generator=torch.Generator().manual_seed(3)) * 3
    for own in logits:
        method.refresh(torch.arange(48), own.log_softmax(1))
    return method, logits.softmax(2)


def test_supergen_ensembles_over_time(build, context):
    """Two passes with m = 0.8: (0.16 p1 + 0.2 p2) / 0.36."""
    method, (first, second) = ensemble(build, context)
    torch.testing.assert_close(method.averaged(torch.arange(48)), (0.16 * first + 0.2 * second) / 0.36)


def test_supergen_keeps_rows_whose_label_the_ensemble_is_sure_of(build, context):
    """Confident and right, or in the upper half of a class of which fewer than 16 are left."""
    method, _ = ensemble(build, context, threshold=0.9)
    probs = method.averaged(torch.arange(48))
    for label in range(3):
        rows = torch.arange(label, 48, 3)
        own = probs[rows, label]
        sure = (own > 0.9) & (probs[rows].argmax(1) == label)
        assert sure.sum() < 16
        expected = sure | (own > own.median())
        assert torch.equal(method.kept[rows], expected)
    assert method.share == pytest.approx(float(method.kept[:48].float().mean()))


def test_supergen_loss_is_smoothing_and_divergence(build, context, sample, close):
    """(smoothed cross-entropy + 10 exp(-5 (1 - 2/10)^2) KL(e || p)) / share of rows kept, 0 for the others."""
    method, _ = ensemble(build, context)
    batch = sample(dtype=DOUBLE).batch
    target = method.averaged(batch.ids).double()
    smoothed = 0.85 * -batch.logp - 0.05 * batch.log_probs.sum(1)
    divergence = (target * (target.log() - batch.log_probs)).sum(1)
    expected = smoothed + 10 * math.exp(-5 * 0.8**2) * divergence
    result = method.losses(batch)
    assert result.weight is None
    close(result.loss, torch.where(method.kept[batch.ids], expected / method.share, 0.0), 1e-6)
    assert 0 < (result.loss == 0).sum() < 16
    assert method.keep(batch.ids.numpy(), 0, 0, batch.rng).tolist() == method.kept[batch.ids].tolist()


def test_supergen_without_its_parts_is_cross_entropy(build, sample, close):
    """No smoothing and no refresh."""
    batch = sample(dtype=DOUBLE).batch
    method = build("supergen-filter", smoothing=0.0, refreshes=0)
    assert method.refreshes(48) == set()
    close(method.losses(batch).loss, -batch.logp)


def test_supergen_refreshes_are_spread_over_the_updates(build):
    """Ten of them, none before the first update, and no more than updates."""
    assert sorted(build("supergen-filter").refreshes(48)) == [4, 9, 13, 17, 22, 26, 31, 35, 39, 44]
    assert 0 not in build("supergen-filter").refreshes(3)


@pytest.mark.parametrize(("updates", "part", "counts"), [(48, 0.5, (24, 24)), (10, 0.9, (1, 9)), (2, 0.1, (1, 1))])
def test_real_finetune_shares_the_updates(updates, part, counts, build):
    """Generated rows, then real ones, from where the first phase ended."""
    phases = build("real-finetune", part=part).phases(updates)
    assert [(phase.updates, phase.rows, phase.anew) for phase in phases] == [
        (counts[0], "generated", False),
        (counts[1], "real", False),
    ]


@pytest.mark.parametrize("entry", ["real-finetune", "gated-finetune"])
def test_real_finetune_has_no_share_of_real_rows(entry, build):
    """A phase has rows of one kind, all with one factor, which AdamW cancels: the option did nothing."""
    with pytest.raises(ValueError, match="real_share does nothing here: each phase has rows of one kind"):
        build(entry, real_share=0.9)


@pytest.mark.parametrize("rows", ["generated", "real"])
def test_real_finetune_on_one_set_is_one_training(rows, build):
    """Then it is `ce` or `real-only`."""
    (only,) = build("real-finetune", train_on=rows).phases(48)
    assert (only.updates, only.rows) == (48, "all")
