"""A linear model on two Gaussian classes with 30 % of the labels flipped: which rows does each method favour?"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from methods.base import DIVERSITY, DIVERSITY_OOF, DYNAMICS, QUALITY, Batch, Context
from tests.methods.linear import LinearProbe

FLIPPED = 0.3


def blobs(size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """(size, 2) points and their true classes, centred on (-1.5, 0) and (1.5, 0)."""
    labels = torch.arange(size) % 2
    points = torch.randn(size, 2, generator=generator)
    points[:, 0] += 3.0 * labels - 1.5
    return points, labels


def fitted(points: torch.Tensor, labels: torch.Tensor) -> torch.nn.Linear:
    """Logistic regression by full-batch LBFGS with a little weight decay."""
    model = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimiser = torch.optim.LBFGS(model.parameters(), max_iter=50)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(points), labels) + 1e-3 * model.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return model


@pytest.fixture(scope="module")
def noisy_world():
    """Points, given labels, which of them are flipped, and both checkers' log-probabilities."""
    generator = torch.Generator().manual_seed(0)
    clean_points, clean_labels = blobs(200, generator)
    points, truth = blobs(400, generator)
    flipped = torch.rand(400, generator=generator) < FLIPPED
    labels = torch.where(flipped, 1 - truth, truth)
    with torch.enable_grad():
        checkers = fitted(clean_points, clean_labels), fitted(points, labels)
    quality, diversity = (checker(points).log_softmax(1).detach() for checker in checkers)
    folded = torch.empty_like(diversity)
    for k in range(5):
        held = torch.arange(400) % 5 == k
        with torch.enable_grad():
            checker = fitted(points[~held], labels[~held])
        folded[held] = checker(points[held]).log_softmax(1).detach()
    tables = {
        QUALITY: quality.numpy(),
        DIVERSITY: diversity.numpy(),
        DIVERSITY_OOF: folded.numpy(),
        DYNAMICS: dynamics(points, labels).numpy(),
    }
    return points, labels, flipped, quality, diversity, tables, (clean_points, clean_labels)


def dynamics(points: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(n, 6, 2) log-probabilities of a linear model at six moments of its training."""
    model = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    seen = []
    with torch.enable_grad():
        for step in range(60):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(points), labels).backward()
            optimiser.step()
            if step % 10 == 9:
                seen.append(model(points).log_softmax(1).detach())
    return torch.stack(seen, 1)


def mean_weights(method, world, steps: int = 60) -> tuple[float, float]:
    """Mean weight of the clean and of the flipped rows over the training that counts."""
    points, labels, flipped, quality, diversity, tables, real = world
    method.start(Context(2, steps, (0.5, 0.5), None, labels.numpy(), tables, np.arange(400)))
    for number, phase in enumerate(method.phases(steps)):
        model = torch.nn.Linear(2, 2)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
        seen = []
        refreshes = method.refreshes(phase.updates)
        for step in range(phase.updates):
            log_probs = model(points).log_softmax(1)
            if step in refreshes:
                method.refresh(torch.arange(400), log_probs.detach())
            logp = log_probs.gather(1, labels[:, None]).squeeze(1)
            rng, scores = np.random.default_rng(step), {QUALITY: quality, DIVERSITY: diversity}
            probe = LinearProbe(model.weight, model.bias, (points, labels), real)
            batch = Batch(torch.arange(400), labels, log_probs, logp, scores, step, step, rng, lookahead=probe)
            loss, weight = method.losses(batch)
            optimiser.zero_grad()
            loss.mean().backward()
            optimiser.step()
            seen.append(weight)
        method.phase_end(number, LinearProbe(model.weight, model.bias, (points, labels), real))
    average = torch.stack(seen).mean(0)
    return float(average[~flipped].mean()), float(average[flipped].mean())


RESISTANT = [
    "imp",
    "dimp",
    "quality-only",
    "superloss",
    "gce",
    "sce",
    "self-paced",
    "rho",
    "confident",
    "confident-learning",
    "aum",
]
LEARNING = [
    ("l2rw", {}),
    ("meta-weight-net", {}),
    ("sungen", {}),
    ("sungen", {"outer": "real"}),
    ("co-teaching", {}),
    ("fusegen", {}),
]


@pytest.mark.parametrize("entry", RESISTANT)
def test_clean_rows_get_the_larger_weights(entry, build, noisy_world):
    """By more than a tenth, for the methods that are to resist wrong labels."""
    clean, flipped = mean_weights(build(entry, 2), noisy_world)
    assert clean > 1.1 * flipped


@pytest.mark.parametrize(("entry", "settings"), LEARNING, ids=str)
def test_what_is_learnt_while_training_favours_clean_rows(entry, settings, build, noisy_world):
    """Look-ahead on real rows, a robust loss of their own, or a second opinion: flipped rows get less than 2/3."""
    clean, flipped = mean_weights(build(entry, 2, **settings), noisy_world)
    assert flipped < clean * 2 / 3


def test_hu_leans_to_clean_rows_but_hardly(build, noisy_world):
    """Its weights go through a softmax over a batch, and what they learn is of the size of a learning rate."""
    clean, flipped = mean_weights(build("hu", 2, group=400), noisy_world, steps=20)
    assert 1 < clean / flipped < 1.2


def test_sungen_sorts_the_flipped_rows_below_the_clean_median(build, noisy_world):
    """Without a real row: a loss that wrong labels cannot dominate is enough where most labels are right."""
    method = build("sungen", 2)
    mean_weights(method, noisy_world, steps=30)
    weight, flipped = method.score.detach().sigmoid(), noisy_world[2]
    assert (weight[flipped] < weight[~flipped].median()).float().mean() > 0.9


def test_infobatch_takes_no_side(build, noisy_world):
    """On average over its draws every row counts once."""
    clean, flipped = mean_weights(build("infobatch", 2), noisy_world)
    assert clean == flipped == 1


@pytest.mark.parametrize("settings", [{}, {"gamma": 1.0, "detach": True}], ids=str)
def test_focal_favours_the_flipped_rows(settings, build, noisy_world):
    """It weights what does not fit, and a wrong label does not fit."""
    clean, flipped = mean_weights(build("focal", 2, **settings), noisy_world)
    assert flipped > 1.1 * clean


@pytest.mark.parametrize(("select", "favoured"), [("easy", "clean"), ("hard", "flipped")])
def test_data_maps_tell_clean_from_flipped(select, favoured, build, noisy_world):
    """Wrong labels are in the hard region of the map, right ones in the easy region."""
    clean, flipped = mean_weights(build("cartography", 2, select=select), noisy_world)
    assert (clean > 2 * flipped) == (favoured == "clean")
    assert (flipped > 2 * clean) == (favoured == "flipped")


def test_just_train_twice_favours_the_flipped_rows(build, noisy_world):
    """What plain cross-entropy gets wrong is, under label noise, what is labelled wrong."""
    clean, flipped = mean_weights(build("jtt", 2), noisy_world)
    assert flipped > 2 * clean


def test_confident_keeps_few_flipped_rows(build, noisy_world):
    """Three rows in ten are flipped; of the weight that is given out, less than one part in ten is theirs."""
    clean, flipped = mean_weights(build("confident", 2), noisy_world)
    assert FLIPPED * flipped < 0.1 * ((1 - FLIPPED) * clean + FLIPPED * flipped)


@pytest.mark.parametrize("entry", ["imp", "dimp", "confident"])
def test_a_class_shuffle_takes_the_knowledge_away(entry, build, noisy_world):
    """The same weights on other rows of the class: clean and flipped rows are treated alike."""
    clean, flipped = mean_weights(build(entry, 2, shuffle="class"), noisy_world)
    assert clean == pytest.approx(flipped, rel=0.05)
