"""Losses and gradients against independent formulas: identities between methods, known numbers, numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from methods import group
from methods.base import RealUse

N_CLASSES = 3
DOUBLE = torch.float64


def as_cross_entropy(sample):
    """Ways in which a method must reduce to cross-entropy: name -> settings and checkers."""
    model = sample(dtype=DOUBLE).batch.log_probs
    shared = torch.randn(16, N_CLASSES, generator=torch.Generator().manual_seed(5), dtype=DOUBLE).log_softmax(1)
    return {
        "focal(0)": ("focal", {"gamma": 0.0}, None, None),
        "focal(0, detached)": ("focal", {"gamma": 0.0, "detach": True}, None, None),
        "imp with P' = Q'": ("imp", {}, shared, shared),
        "dimp with the model as its checker": ("dimp", {}, model, None),
        "imp(0)": ("imp", {"gamma": 0.0}, None, None),
        "dimp(0)": ("dimp", {"gamma": 0.0}, None, None),
        "quality-only(0)": ("quality-only", {"gamma": 0.0}, None, None),
        "quality-only of a sure checker": ("quality-only", {}, torch.zeros(16, N_CLASSES), None),
        "gce(0)": ("gce", {"q": 0.0}, None, None),
        "sce(1, 0)": ("sce", {"alpha": 1.0, "beta": 0.0}, None, None),
        "bootstrap(1)": ("bootstrap", {"beta": 1.0}, None, None),
        "bootstrap(1, hard)": ("bootstrap", {"beta": 1.0, "kind": "hard"}, None, None),
        "bootstrap while warming up": ("bootstrap", {"warmup": 0.1}, None, None),
        "label-smoothing(0)": ("label-smoothing", {"epsilon": 0.0}, None, None),
        "self-paced below its threshold": ("self-paced", {"lam": 1e9}, None, None),
        "self-paced with every row": ("self-paced", {"first": 1.0, "kind": "linear"}, None, None),
        "rho(1)": ("rho", {"share": 1.0}, None, None),
        "jtt(0)": ("jtt", {"extra": 0.0}, None, None),
        "infobatch(0)": ("infobatch", {"r": 0.0}, None, None),
        "co-teaching(0)": ("co-teaching", {"rate": 0.0}, None, None),
        "hu while it pretrains": ("hu", {}, None, None),
        "supergen-filter without its parts": ("supergen-filter", {"smoothing": 0.0, "refreshes": 0}, None, None),
        "real-finetune": ("real-finetune", {}, None, None),
        "real-only": ("real-only", {}, None, None),
        "ce-mix": ("ce-mix", {}, None, None),
    }


def test_methods_reduce_to_cross_entropy(build, sample, gradient, close):
    """Values, weights and gradients."""
    plain = sample(dtype=DOUBLE)
    expected = torch.nn.functional.cross_entropy(plain.logits, plain.batch.labels, reduction="none")
    (expected_gradient,) = torch.autograd.grad(expected.mean(), plain.logits, retain_graph=True)
    close(build("ce").losses(plain.batch).loss, expected)
    close(gradient(plain, build("ce")), expected_gradient)
    for name, settings, quality, diversity in as_cross_entropy(sample).values():
        case = sample(quality=quality, diversity=diversity, dtype=DOUBLE)
        loss, weight = build(name, **settings).losses(case.batch)
        close(loss, expected)
        if weight is not None:
            close(weight, torch.ones(16, dtype=DOUBLE))
        close(gradient(case, build(name, **settings)), expected_gradient)


def test_prior_correction_without_a_shift_is_cross_entropy(build, sample, context, close):
    """Equal shares, equal weights."""
    method = build("ce-prior")
    balanced = context()
    method.start(type(balanced)(3, 10, balanced.generated_prior, balanced.generated_prior))
    batch = sample(dtype=DOUBLE).batch
    close(method.losses(batch).loss, -batch.logp)


def test_prior_correction_moves_the_label_shares(build, sample, context, close):
    """Weighted generated shares are the real ones, and a class that is not generated is no error."""
    method = build("ce-prior")
    method.start(type(context())(3, 10, (0.7, 0.3, 0.0), (0.2, 0.5, 0.3)))
    batch = sample(labels=torch.tensor([0, 1]), size=2, dtype=DOUBLE).batch
    weight = method.losses(batch).weight
    close(weight * torch.tensor([0.7, 0.3], dtype=DOUBLE), torch.tensor([0.2, 0.5], dtype=DOUBLE))


def test_prior_correction_needs_the_real_shares(build, context):
    """A cell that withholds them is an error, not a silent cross-entropy."""
    with pytest.raises(LookupError, match="label shares"):
        build("ce-prior").start(context(real_use=RealUse.NONE))


def test_prior_correction_drops_a_class_the_real_set_lacks(build, sample, context):
    """Share 0 in the real set, weight 0 on the generated rows."""
    method = build("ce-prior", 2)
    method.start(type(context())(2, 10, (0.5, 0.5), (1.0, 0.0)))
    batch = sample(labels=torch.tensor([0, 1]), size=2, n_classes=2).batch
    assert method.losses(batch).weight.tolist() == [2, 0]


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_dimp_descends_the_ratio(gamma, build, sample, gradient, close):
    """gamma = 1: its gradient is that of sum P'/p; in general that of P'^gamma p^-gamma / gamma."""
    case = sample(dtype=DOUBLE)
    ratio = (case.batch.quality_logp.detach() - case.batch.logp).mul(gamma).exp() / gamma
    (expected,) = torch.autograd.grad(ratio.mean(), case.logits, retain_graph=True)
    close(gradient(case, build("dimp", gamma=gamma)), expected)


def test_dimp_detaches_its_weight(build, sample, gradient, close):
    """With the weight attached, each row's gradient would be 1 + CE times as large."""
    case = sample(dtype=DOUBLE)
    attached = (case.batch.quality_logp.detach() - case.batch.logp).exp() * -case.batch.logp
    (wrong,) = torch.autograd.grad(attached.mean(), case.logits, retain_graph=True)
    right = gradient(sample(dtype=DOUBLE), build("dimp"))
    close(wrong, right * (1 - case.batch.logp.detach())[:, None])
    assert (wrong - right).abs().max() > 0.01


def test_dimp_weight_averages_one_over_the_models_labels(build, sample, close):
    """sum_y p(y) P'(y) / p(y) = 1 for every text."""
    logits = sample(dtype=DOUBLE).logits
    total = torch.zeros(16, dtype=DOUBLE)
    for label in range(N_CLASSES):
        case = sample(logits, torch.full((16,), label), dtype=DOUBLE)
        total += case.batch.logp.detach().exp() * build("dimp").losses(case.batch).weight
    close(total, torch.ones(16, dtype=DOUBLE))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_importance_losses_as_released(gamma, build, sample, close):
    """The released code works with probabilities: mean of -(ratio)^gamma log p, recomputed in numpy."""
    case = sample(dtype=DOUBLE)
    rows, labels = np.arange(16), case.batch.labels.numpy()
    log_model = log_softmax(case.logits.detach().numpy(), axis=1)[rows, labels]
    quality = np.exp(case.quality.detach().numpy())[rows, labels]
    diversity = np.exp(case.diversity.detach().numpy())[rows, labels]
    ratios = {"imp": quality / diversity, "dimp": quality / np.exp(log_model), "quality-only": quality}
    for name, ratio in ratios.items():
        loss, weight = build(name, gamma=gamma).losses(case.batch)
        close(weight, torch.from_numpy(ratio**gamma))
        close(loss.mean(), torch.tensor(np.mean(-(ratio**gamma) * log_model)))


def test_clip_is_the_largest_weight(build, sample, close):
    """Weights below the clip are untouched."""
    batch = sample(dtype=DOUBLE).batch
    for name in ("imp", "dimp", "quality-only"):
        free = build(name).losses(batch).weight
        bound = float(free.median())
        close(build(name, clip=bound).losses(batch).weight, free.clamp(max=bound))


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula(gamma, build, sample, gradient, close):
    """Value and gradient from probabilities; the detached form keeps the value and drops part of the gradient."""
    case = sample(dtype=DOUBLE)
    p = case.logits.softmax(1).gather(1, case.batch.labels[:, None]).squeeze(1)
    expected = -((1 - p) ** gamma) * p.log()
    (slope,) = torch.autograd.grad(expected.mean(), case.logits, retain_graph=True)
    close(build("focal", gamma=gamma).losses(case.batch).loss, expected)
    close(gradient(case, build("focal", gamma=gamma)), slope)
    stopped = -((1 - p.detach()) ** gamma) * p.log()
    (slope,) = torch.autograd.grad(stopped.mean(), case.logits, retain_graph=True)
    detached = build("focal", gamma=gamma, detach=True)
    close(detached.losses(case.batch).loss, expected)
    close(detached.losses(case.batch).weight, (1 - p.detach()) ** gamma)
    close(gradient(case, detached), slope)


def test_focal_as_the_authors_of_dimp_compare_with_it(build, sample, close):
    """gamma 1, detached, in numpy: the batch mean of -(1 - p) log p."""
    case = sample(dtype=DOUBLE)
    log_model = log_softmax(case.logits.detach().numpy(), axis=1)[np.arange(16), case.batch.labels.numpy()]
    loss, weight = build("focal", gamma=1.0, detach=True).losses(case.batch)
    close(loss.mean(), torch.tensor(np.mean(-(1 - np.exp(log_model)) * log_model)))
    close(weight, torch.from_numpy(1 - np.exp(log_model)))


def test_focal_at_known_points(build, given_probabilities, gradient):
    """Slope with respect to the given label's logit at gamma 2."""
    case = given_probabilities(torch.tensor([0.05, 0.5, 0.9], dtype=DOUBLE))
    full = 3 * gradient(case, build("focal", 2))[:, 0]
    detached = 3 * gradient(case, build("focal", 2, detach=True))[:, 0]
    assert full.tolist() == pytest.approx([-1.128, -0.298, -0.0029], abs=6e-4)
    assert detached.tolist() == pytest.approx([-0.857, -0.125, -0.0010], abs=6e-4)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0, 2.0])
def test_focal_fades_out_at_certainty(gamma, build, sample):
    """At p = 1 the weight is 0 in the limit, with no detour over infinity."""
    logits = torch.tensor([[60.0, 0.0], [1e4, 0.0]])
    batch = sample(logits, torch.zeros(2, dtype=torch.int64), n_classes=2, size=2).batch
    weight = build("focal", 2, gamma=gamma).losses(batch).weight
    assert weight.max() < 1e-2
    assert weight[1] < 1e-3


def test_focal_keeps_its_digits_near_certainty(build, sample):
    """(1 - p) log p is (log p)^2 where p is almost 1; 1 - p taken from p would have lost all digits in float32."""
    logp = torch.tensor([-1e-5, -1e-7, -1e-9, -1e-15])
    loss = build("focal", gamma=1.0).loss(logp, sample().batch)
    torch.testing.assert_close(loss, logp.square(), rtol=1e-5, atol=0)


POINTWISE = [("ce", {}), ("focal", {}), ("focal", {"gamma": 0.5}), ("superloss", {}), ("gce", {}), ("sce", {})]


@pytest.mark.parametrize("settings", POINTWISE, ids=str)
def test_weight_is_the_finite_difference_of_the_value(settings, build, given_probabilities, close):
    """Central differences of the reported loss in log p, without autograd."""
    name, options = settings
    p = torch.tensor([0.02, 0.3, 0.6, 0.95], dtype=DOUBLE)
    step = 1e-6
    above, below = (given_probabilities((p.log() + sign * step).exp()) for sign in (1, -1))
    rise = build(name, 2, **options).losses(above.batch).loss - build(name, 2, **options).losses(below.batch).loss
    weight = build(name, 2, **options).losses(given_probabilities(p).batch).weight
    close(weight, -rise.detach() / (2 * step), 1e-6)


def test_the_focal_loss_of_the_group_paper_is_that_of_the_paper(build, given_probabilities, close):
    """Its weights are 1 - p, which the released code detaches."""
    p = torch.tensor([0.05, 0.3, 0.9], dtype=DOUBLE)
    close(build("focal", 2, **group("paper")["focal"]).losses(given_probabilities(p).batch).weight, 1 - p)
