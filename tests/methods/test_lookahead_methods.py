"""Methods that look one step ahead, against the same derivatives taken through an explicit graph in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from methods.base import Context
from methods.hooks import Budget
from methods.sungen import robust
from tests.methods.linear import LinearProbe, cross_entropy, random_probe

IDS = torch.arange(16)


def real_loss(probe: LinearProbe, weights: list[torch.Tensor]) -> torch.Tensor:
    """() mean cross-entropy of all real rows with these weights in place of the model's."""
    points, labels = probe.real
    return cross_entropy(probe.log_probs(weights, points), labels).mean()


def row_losses(probe: LinearProbe, weights: list[torch.Tensor], ids: torch.Tensor = IDS) -> torch.Tensor:
    """(n,) cross-entropy of generated rows."""
    points, labels = probe.rows(ids)
    return cross_entropy(probe.log_probs(weights, points), labels)


def through_a_step(probe: LinearProbe, share: torch.Tensor, rate: float, ids: torch.Tensor = IDS) -> torch.Tensor:
    """(n,) d L_real(theta - rate grad sum_i share_i l_i) / d share, by a second-order graph."""
    share = share.detach().double().requires_grad_()
    weights = [weight.detach().requires_grad_() for weight in probe.weights]
    slope = torch.autograd.grad((share * row_losses(probe, weights, ids)).sum(), weights, create_graph=True)
    ahead = [weight - rate * own for weight, own in zip(weights, slope, strict=True)]
    return torch.autograd.grad(real_loss(probe, ahead), share)[0]


def batch_of(sample, probe: LinearProbe, ids: torch.Tensor = IDS, step: int = 0):
    """A batch whose log-probabilities are those of the probe's model."""
    points, labels = probe.rows(ids)
    logits = probe.log_probs(probe.weights, points)
    batch = sample(logits, labels, size=len(ids), dtype=torch.float64).batch
    return replace(batch, ids=ids, lookahead=probe, step=step)


@pytest.mark.parametrize("rate", [1e-3, 1.0])
def test_l2rw_weights_are_the_meta_gradient(rate, build, sample, close):
    """Its weights at e = 0 through an explicit step, whatever the step's size; they sum to the batch's size."""
    probe = random_probe()
    result = build("l2rw").losses(batch_of(sample, probe)).weight
    expected = -through_a_step(probe, torch.zeros(16), rate)
    expected = expected.clamp(min=0)
    assert 0 < (expected == 0).sum() < 16
    close(result, 16 * expected / expected.sum())


def test_l2rw_trusts_a_row_that_is_the_real_set(build, sample):
    """A row looks at itself with the square of its gradient's norm; its copy with another label gets nothing."""
    probe = random_probe(n_classes=2)
    points, labels = probe.generated
    points, labels = torch.stack([points[0], points[0]]), torch.stack([labels[0], 1 - labels[0]])
    alone = LinearProbe(*probe.weights, (points, labels), (points[:1], labels[:1]))
    weight = build("l2rw", 2).losses(batch_of(sample, alone, torch.arange(2))).weight
    assert weight.tolist() == [2, 0]


def test_l2rw_without_agreement_does_nothing(build, sample):
    """No row points where the real rows do: all weights are 0 and nothing is divided by 0."""
    probe = random_probe(n_classes=2)
    points, labels = probe.generated
    against = LinearProbe(*probe.weights, (points[:1], 1 - labels[:1]), (points[:1], labels[:1]))
    assert build("l2rw", 2).losses(batch_of(sample, against, torch.arange(1))).weight.tolist() == [0]


def test_meta_weight_net_learns_by_the_exact_hypergradient(build, sample, close):
    """The gradient of every weight of V against a graph through the virtual step, then Adam's first step."""
    probe, method = random_probe(), build("meta-weight-net", inner_lr=0.5)
    batch = batch_of(sample, probe)
    before = [weight.detach().clone() for weight in method.net.parameters()]
    leaves = [weight.clone().requires_grad_() for weight in before]

    def net(loss: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(loss[:, None] @ leaves[0].T + leaves[1])
        return torch.sigmoid(hidden @ leaves[2].T + leaves[3]).squeeze(1)

    weights = [weight.detach().requires_grad_() for weight in probe.weights]
    mean = (net(-batch.logp.detach()) * row_losses(probe, weights)).mean()
    slope = torch.autograd.grad(mean, weights, create_graph=True)
    ahead = [weight - 0.5 * own for weight, own in zip(weights, slope, strict=True)]
    expected = torch.autograd.grad(real_loss(probe, ahead), leaves)
    result = method.losses(batch).weight
    for weight, slope_ in zip(method.net.parameters(), expected, strict=True):
        close(weight.grad, slope_)
    moved = torch.optim.Adam(leaves, lr=1e-3, weight_decay=1e-4)
    for leaf, slope_ in zip(leaves, expected, strict=True):
        leaf.grad = slope_
    moved.step()
    close(result, net(-batch.logp.detach()).detach())


def test_meta_weight_net_starts_from_its_cells_seed(build, context):
    """Another seed is another network; the process's own random numbers are left alone."""
    method = build("meta-weight-net")
    state = torch.random.get_rng_state()
    nets = []
    for seed in (1, 1, 2):
        method.start(replace(context(), seed=seed))
        nets.append(next(method.net.parameters()).detach().clone())
    assert torch.equal(nets[0], nets[1])
    assert not torch.equal(nets[0], nets[2])
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize("norm", ["softmax", "linear"])
def test_hu_updates_by_the_gradient_of_its_look_ahead(norm, build, sample, close):
    """w / w_decay - dL_real(theta + sum w delta)/dw, group by group, then normalised over the batch."""
    probe, method = random_probe(), build("hu", norm=norm, pretrain=0.0)
    expected = []
    for ids in IDS.split(8):
        share = torch.ones(8, dtype=torch.float64, requires_grad=True)
        moves = [torch.stack(owns, -1) for owns in zip(*probe.moves(ids), strict=True)]
        ahead = [weight.detach() + move @ share for weight, move in zip(probe.weights, moves, strict=True)]
        (slope,) = torch.autograd.grad(real_loss(probe, ahead), share)
        expected.append((1 / 5 - slope).clamp(min=1e-5))
    raw = torch.cat(expected)
    weight = method.losses(batch_of(sample, probe, step=1)).weight
    close(method.learnt[IDS].double(), raw, 1e-6)
    close(weight, 16 * (raw.softmax(0) if norm == "softmax" else raw / raw.sum()), 1e-6)
    assert (method.learnt[16:] == 1).all()


def test_hu_weights_without_signal_fade(build, sample):
    """A real loss that nothing changes: a visit divides a row's weight by w_decay, and a floor stops it."""
    probe = random_probe()
    flat = LinearProbe(*probe.weights, probe.generated, (torch.zeros(1, 4).double(), torch.zeros(1).long()))
    flat.rate = 0.0
    method = build("hu", pretrain=0.0)
    seen = []
    for step in range(1, 12):
        method.losses(batch_of(sample, flat, step=step))
        seen.append(float(method.learnt[0]))
    assert seen == pytest.approx([max(1 / 5**visit, 1e-5) for visit in range(1, 12)], rel=1e-5)


def test_hu_starts_with_cross_entropy(build, sample):
    """Weight 1 while it pretrains, and where the optimiser has no moments yet."""
    method = build("hu", pretrain=0.3)  # of 10 updates
    weights = [method.losses(batch_of(sample, random_probe(), step=step)).weight for step in (0, 2, 3)]
    assert [bool((weight == 1).all()) for weight in weights] == [True, True, False]
    assert (build("hu", pretrain=0.0).losses(batch_of(sample, random_probe())).weight == 1).all()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_sungens_robust_loss_is_reverse_cross_entropy(n_classes, close):
    """10 (1 - p_y) up to the constant log(1 + (C - 1) exp(-10)), over C; its slope in the logits is bounded."""
    logits = 5 * torch.randn(32, n_classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(32) % n_classes
    log_probs = logits.log_softmax(1)
    p = log_probs.exp().gather(1, labels[:, None]).squeeze(1)
    constant = torch.tensor((n_classes - 1) * torch.e**-10, dtype=torch.float64).log1p()
    close(robust(log_probs, labels), (10 * (1 - p) + constant) / n_classes, 1e-9)


@pytest.mark.parametrize("outer", ["robust", "real"])
def test_sungen_steps_along_the_hypergradient(outer, build, close):
    """Adam's first step on the scores, for the derivative through one weighted step of SGD at the rate inner_lr."""
    probe = random_probe()
    method = build("sungen", outer=outer, trusted=1.0, outer_rows=1000, inner_lr=0.01)
    method.phase_end(0, probe)
    score = torch.zeros(64, dtype=torch.float64, requires_grad=True)
    weights = [weight.detach().requires_grad_() for weight in probe.weights]
    points, labels = probe.generated
    share = score.sigmoid() / score.sigmoid().sum().detach()
    slope = torch.autograd.grad(
        (share * row_losses(probe, weights, torch.arange(64))).sum(), weights, create_graph=True
    )
    if outer == "real":
        own = torch.autograd.grad(real_loss(probe, weights), weights)
    else:
        own = torch.autograd.grad(robust(probe.log_probs(weights, points), labels).mean(), weights)
    ahead = sum((step * -part).sum() for step, part in zip(slope, own, strict=True))
    (expected,) = torch.autograd.grad(ahead, score)
    expected = 0.01 * expected
    close(method.score.grad.double(), expected, 1e-9)
    close(method.score.detach().double(), -expected / (expected.abs() + 1e-8), 1e-3)


def test_sungen_draws_from_the_rows_it_trusts(build):
    """Rows with the smallest weights have no part in the robust loss."""
    method, seen = build("sungen", trusted=0.5), []

    class Watching(LinearProbe):
        def gradient(self, ids, **options):
            seen.extend(ids.tolist())
            return super().gradient(ids, **options)

    probe = random_probe()
    with torch.no_grad():
        method.score[::2] = -1.0
    method.phase_end(0, Watching(*probe.weights, probe.generated, probe.real))
    assert seen
    assert all(identity % 2 for identity in seen)


def test_sungen_trusts_rows_that_are_tied_and_keeps_its_rate(build):
    """In the first round all weights are 1/2, so the outer loss may draw any row; no round has a smaller step."""
    method, probe = build("sungen", trusted=0.5, outer_rows=1000), random_probe()
    trusted = []

    def watch(ids, **options):
        trusted.append(len(ids))
        return LinearProbe.gradient(probe, ids, **options)

    probe.gradient = watch
    for number in range(5):
        method.phase_end(number, probe)
        assert method.optimizer.param_groups[0]["lr"] == 1.0
    assert trusted[0] == 64
    assert trusted[1:] == [32] * 4


def test_a_row_without_signal_hardly_moves(build):
    """Adam's constant 1e-8 is large beside a gradient that small; a row with signal moves a whole step."""
    probe = random_probe()
    slopes = probe.slopes

    def faint(ids, along):
        return torch.where(ids == 7, 1e-5, slopes(ids, along))

    probe.slopes = faint
    method = build("sungen", outer="real", outer_rows=1000)
    method.phase_end(0, probe)
    score = method.score.detach().abs()
    assert float(score[7]) < 0.01
    assert float(score.median()) > 0.9


def test_sungens_rounds_are_trainings_that_leave_no_model(build):
    """Each starts anew, and so does the training that counts; without rounds there is one ordinary training."""
    phases = build("sungen", rounds=3, length=0.5).phases(48)
    assert [(phase.updates, phase.rows, phase.anew) for phase in phases] == [(24, "generated", True)] * 3 + [
        (48, "all", True)
    ]
    (only,) = build("sungen", rounds=0).phases(48)
    assert (only.updates, only.anew) == (48, False)
    method = build("sungen", rounds=3)
    method.phase_end(3, None)  # the last one: nothing is learnt from the training that counts
    assert (method.score == 0).all()


@pytest.mark.parametrize("outer", ["robust", "real"])
def test_sungen_without_generated_rows_is_one_training(outer, build, context):
    """It has no rounds then; the step after a round failed, as there are no weights to learn."""
    method = build("sungen", train_on="real", outer=outer)
    method.start(replace(context(), ids=np.zeros(0, np.int64), labels=np.zeros(0, np.int64)))
    (only,) = method.phases(48)
    assert (only.updates, only.anew) == (48, False)
    method.phase_end(0, None)
    assert method.declared_cost(method.config, Budget()) == 1


@pytest.mark.parametrize("entry", ["l2rw", "meta-weight-net", "hu"])
def test_look_ahead_methods_draw_real_rows_of_the_size_asked_for(entry, build, sample):
    """Each draw is without replacement and of `real_rows`; another update draws other rows."""
    seen = []

    class Watching(LinearProbe):
        def gradient(self, ids, *, real=False, **options):
            if real:
                seen.append(ids.tolist())
            return super().gradient(ids, real=real, **options)

    probe = random_probe(real=50)
    watching = Watching(*probe.weights, probe.generated, probe.real)
    method = build(entry, real_rows=20)
    batch = batch_of(sample, watching, step=9)
    method.losses(batch)
    method.losses(batch)
    assert all(len(set(rows)) == 20 for rows in seen)
    assert seen[0] != seen[-1]


def test_per_row_numbers_are_indexed_by_id():
    """Ids need not be consecutive; without generated rows there is nothing to index."""
    import numpy as np

    state = Context(2, 5, (0.5, 0.5), None, ids=np.array([7, 2, 4])).per_row(0.5)
    assert state.tolist() == [0.5] * 8
    assert len(Context(2, 5, (0.5, 0.5), None, ids=np.array([], dtype=np.int64)).per_row(0.5)) == 0
