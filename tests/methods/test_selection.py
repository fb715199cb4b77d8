"""Methods that choose rows: self-paced learning, RHO, confident learning, just train twice."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from methods.base import DIVERSITY, DIVERSITY_OOF, QUALITY, Context

DOUBLE = torch.float64


def scored_rows(table, size=400, n_classes=3, seed=0, trust=1.5, noise=0.3):
    """Labels and a checker that leans to the true class, with some labels wrong; as a context."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=size)
    labels = np.where(rng.random(size) < noise, rng.integers(n_classes, size=size), truth)
    logits = rng.normal(size=(size, n_classes)) + trust * np.eye(n_classes)[truth]
    logits[:, 0] += 0.7  # sure of one class more often than of the others
    prior = tuple(np.bincount(labels, minlength=n_classes) / size)
    return Context(n_classes, 10, prior, None, labels, {table: log_softmax(logits, axis=1)}, np.arange(size))


def weights_of(method, context, table, sample):
    """(n,) weights of all rows of a context in one batch."""
    method.start(context)
    labels, log_probs = torch.from_numpy(context.labels), torch.from_numpy(context.tables[table])
    tables = {"quality": log_probs} if table == QUALITY else {"diversity": log_probs}
    n_classes = context.n_classes
    return method.losses(sample(None, labels, **tables, n_classes=n_classes, size=len(labels)).batch).weight


@pytest.mark.parametrize("lam", [0.5, 1.0, 2.0])
def test_self_paced_threshold_is_its_formula(lam, build, sample, close):
    """Hard and linear weights of the losses below and above a fixed threshold."""
    batch = sample(dtype=DOUBLE).batch
    loss = -batch.logp.detach()
    close(build("self-paced", lam=lam).losses(batch).weight, (loss < lam).double())
    close(build("self-paced", lam=lam, kind="linear").losses(batch).weight, (1 - loss / lam).clamp(min=0))


@pytest.mark.parametrize("kind", ["hard", "linear"])
def test_self_paced_without_a_limit_is_cross_entropy(kind, build, sample, close):
    """lam -> infinity."""
    batch = sample(dtype=DOUBLE).batch
    close(build("self-paced", lam=1e9, kind=kind).losses(batch).loss, -batch.logp, 1e-7)


def test_self_paced_threshold_grows_in_tenths(build, sample):
    """x 1.3 per round; with twenty updates a round is two."""
    method = build("self-paced", lam=1.0)
    method.start(Context(3, 20, (1 / 3,) * 3, None))
    result = [float(method.threshold(sample().batch.logp, step)) for step in range(20)]
    assert result == pytest.approx([1.3 ** (step // 2) for step in range(20)])


def test_self_paced_shares_grow_to_all_rows(build, sample):
    """From half of 16 rows to all over the first five of ten updates, always the easiest."""
    batch = sample(dtype=DOUBLE).batch
    method = build("self-paced", first=0.5, grow=0.5)
    counts = []
    for step in range(10):
        chosen = method.losses(replace(batch, step=step)).weight.bool()
        counts.append(int(chosen.sum()))
        if not chosen.all():
            assert batch.logp[chosen].min() > batch.logp[~chosen].max()
    assert counts == [8, 10, 12, 13, 15, 16, 16, 16, 16, 16]


def test_linear_self_paced_weights_reach_zero_at_the_first_row_left_out(build, sample, close):
    """Only the share that counts has a weight; when all rows count, they count fully."""
    batch = sample(dtype=DOUBLE).batch
    loss = -batch.logp.detach()
    method = build("self-paced", kind="linear")
    border = loss.sort().values[8]
    close(method.losses(batch).weight, (1 - loss / border).clamp(min=0))
    close(method.losses(replace(batch, step=5)).weight, torch.ones(16, dtype=DOUBLE))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_rho_selects_the_top_of_dimps_weights(share, build, sample, close):
    """The same rows, each with weight B / k: the batch's mean is that of the selected rows' cross-entropy."""
    batch = sample(dtype=DOUBLE).batch
    loss, weight = build("rho", share=share).losses(batch)
    top = build("dimp").losses(batch).weight.topk(math.ceil(share * 16)).indices
    assert set(weight.nonzero().flatten().tolist()) == set(top.tolist())
    close(loss.mean(), -batch.logp[top].mean())
    close(weight.mean(), torch.tensor(1.0, dtype=DOUBLE))


def test_rho_chooses_candidates_as_it_chooses_rows(build, sample, close):
    """The same rows of a pool; what is passed then carries the weight of the others."""
    batch = sample(dtype=torch.float64).batch
    method = build("rho", share=0.2, pool=4)
    chosen = method.choose(batch)
    close(chosen.double() / chosen.double().mean(), build("rho", share=0.2).losses(batch).weight)
    assert chosen.sum() == 4
    assert method.losses(batch).weight.tolist() == [4.0] * 16
    assert method.phases(48)[0].candidates == 4
    with pytest.raises(ValueError, match="pool above 1 needs train_on=generated"):
        build("rho", pool=2, train_on="both")


@pytest.mark.parametrize("shuffle", ["class", "all"])
def test_rho_shuffles_the_candidates_that_it_chooses(shuffle, build, sample):
    """As many rows, of each class too with shuffle=class, but others: with a pool all weights are one number."""
    batch = sample(size=64).batch
    settings = {"share": 0.2, "pool": 4}
    plain, chosen = (build("rho", **settings, **own).choose(batch) for own in ({}, {"shuffle": shuffle}))
    assert chosen.sum() == plain.sum()
    assert not torch.equal(chosen, plain)
    counts = [torch.bincount(batch.labels[mask], minlength=3).tolist() for mask in (plain, chosen)]
    assert (counts[0] == counts[1]) == (shuffle == "class")


def test_rho_with_an_indifferent_checker_takes_the_largest_losses(build, sample):
    """A constant irreducible loss leaves the order of the model's own losses."""
    batch = sample(quality=torch.full((16, 3), -math.log(3))).batch
    chosen = build("rho", share=0.25).losses(batch).weight.bool()
    assert batch.logp[chosen].max() < batch.logp[~chosen].min()


@pytest.mark.parametrize("unsure", ["keep", "drop"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_confident_is_its_definition(n_classes, unsure, build, sample):
    """Thresholds and verdicts row by row in plain Python."""
    context = scored_rows(QUALITY, n_classes=n_classes)
    labels, probs = context.labels, np.exp(context.tables[QUALITY])
    thresholds = [probs[labels == j, j].mean() for j in range(n_classes)]
    remaining = []
    for row, label in zip(probs, labels, strict=True):
        candidates = [j for j in range(n_classes) if row[j] >= thresholds[j]]
        guess = max(candidates, key=lambda j, row=row: row[j]) if candidates else None
        remaining.append(label in (guess, row.argmax()) or (guess is None and unsure == "keep"))
    assert 0 < sum(remaining) < len(remaining)
    weight = weights_of(build("confident", n_classes, unsure=unsure), context, QUALITY, sample)
    assert (weight > 0).tolist() == remaining
    assert weight.mean().item() == pytest.approx(1, rel=1e-5)
    assert weight.unique().numel() == 2


def test_confident_agrees_with_cleanlab(build, sample):
    """Two classes, where taking the likeliest class that reaches its threshold is what the package does."""
    find_label_issues = pytest.importorskip("cleanlab.filter").find_label_issues
    for seed in range(5):
        context = scored_rows(QUALITY, n_classes=2, seed=seed)
        flagged = find_label_issues(
            context.labels, np.exp(context.tables[QUALITY]), filter_by="confident_learning", n_jobs=1
        )
        weight = weights_of(build("confident", 2), context, QUALITY, sample)
        assert flagged.any()
        assert (weight == 0).tolist() == flagged.tolist()


def test_confident_with_a_right_and_sure_checker_keeps_everything(build, sample):
    """Nothing is disputed, so nothing changes; rows that are all alike reach their own threshold."""
    context = scored_rows(QUALITY, size=60)
    sure = np.log(np.full((60, 3), 0.1) + 0.7 * np.eye(3)[context.labels]).astype(np.float32)
    context = replace(context, tables={QUALITY: sure})
    for unsure in ("keep", "drop"):
        weight = weights_of(build("confident", unsure=unsure), context, QUALITY, sample)
        assert weight.tolist() == [1] * 60


def test_confident_never_guesses_a_class_without_rows(build, sample):
    """A class that is not generated has no threshold; its probability disputes nobody's label."""
    labels = np.array([0, 0, 1, 1])
    probs = np.array([[0.2, 0.1, 0.7], [0.3, 0.1, 0.6], [0.1, 0.3, 0.6], [0.05, 0.25, 0.7]])
    context = Context(3, 10, (0.5, 0.5, 0.0), None, labels, {QUALITY: np.log(probs)}, np.arange(4))
    assert weights_of(build("confident"), context, QUALITY, sample).tolist() == [1] * 4


def test_confident_says_so_when_nothing_is_left(build):
    """A checker that has the classes exchanged leaves nothing to train on."""
    labels = np.arange(20) % 2
    probs = np.where(np.eye(2)[labels] == 1, 0.1, 0.9)
    context = Context(2, 10, (0.5, 0.5), None, labels, {QUALITY: np.log(probs)}, np.arange(20))
    with pytest.raises(ValueError, match="every one of 20 generated rows"):
        build("confident", 2).start(context)


def confident_learning_by_hand(labels, probs, rule):
    """Thresholds, joint and pruning in plain Python: the rows that are dropped, and the joint."""
    classes, n = probs.shape[1], len(labels)
    thresholds = [np.mean([p[j] for p, label in zip(probs, labels, strict=True) if label == j]) for j in range(classes)]
    guesses = []
    for p in probs:
        candidates = [j for j in range(classes) if p[j] >= thresholds[j]]
        guesses.append(max(candidates, key=lambda j, p=p: p[j]) if candidates else None)
    counts = [
        [sum(g == j for g, y in zip(guesses, labels, strict=True) if y == k) for j in range(classes)]
        for k in range(classes)
    ]
    sizes = [int((labels == k).sum()) for k in range(classes)]
    joint = np.array([[counts[k][j] / sum(counts[k]) * sizes[k] / n for j in range(classes)] for k in range(classes)])
    by_rate, by_class = set(), set()
    for k in range(classes):
        rows = [i for i in range(n) if labels[i] == k]
        for j in set(range(classes)) - {k}:
            ranked = sorted(rows, key=lambda i: probs[i, k] - probs[i, j])
            by_rate |= set(ranked[: round(n * joint[k, j])])
        ranked = sorted(rows, key=lambda i: probs[i, k])
        by_class |= set(ranked[: round(n * (joint[k].sum() - joint[k, k]))])
    counted = {i for i in range(n) if guesses[i] not in (None, labels[i])}
    chosen = {"noise-rate": by_rate, "class": by_class, "both": by_rate & by_class, "joint": counted}[rule]
    return {i for i in chosen if probs[i].argmax() != labels[i]}, joint


@pytest.mark.parametrize("rule", ["noise-rate", "class", "both", "joint"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_confident_learning_is_its_definition(n_classes, rule, build, sample):
    """Which rows go, and what the others of each label weigh."""
    context = scored_rows(DIVERSITY_OOF, n_classes=n_classes)
    labels, probs = context.labels, np.exp(context.tables[DIVERSITY_OOF])
    dropped, joint = confident_learning_by_hand(labels, probs, rule)
    assert dropped
    expected = [0 if i in dropped else joint[:, y].sum() / joint[y, y] for i, y in enumerate(labels)]
    method = build("confident-learning", n_classes, prune=rule)
    assert weights_of(method, context, DIVERSITY_OOF, sample).tolist() == pytest.approx(expected, rel=1e-5)
    even = weights_of(
        build("confident-learning", n_classes, prune=rule, reweight=False), context, DIVERSITY_OOF, sample
    )
    assert even.mean().item() == pytest.approx(1, rel=1e-5)
    assert even.unique().numel() == 2


@pytest.mark.parametrize(
    ("rule", "theirs"), [("noise-rate", "prune_by_noise_rate"), ("class", "prune_by_class"), ("both", "both")]
)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_confident_learning_agrees_with_cleanlab(n_classes, rule, theirs, build, sample):
    """All but a row or two on a border, where rounding of counts decides."""
    find_label_issues = pytest.importorskip("cleanlab.filter").find_label_issues
    for seed in range(3):
        context = scored_rows(DIVERSITY_OOF, n_classes=n_classes, seed=seed)
        flagged = find_label_issues(context.labels, np.exp(context.tables[DIVERSITY_OOF]), filter_by=theirs, n_jobs=1)
        weight = weights_of(build("confident-learning", n_classes, prune=rule), context, DIVERSITY_OOF, sample)
        assert flagged.sum() > 20
        assert ((weight == 0).numpy() != flagged).sum() <= n_classes


def test_right_predictions_dispute_nothing(build, sample):
    """Perfect out-of-fold probabilities: every row is kept at weight 1."""
    context = scored_rows(DIVERSITY_OOF, size=60)
    sure = np.log(np.full((60, 3), 0.1) + 0.7 * np.eye(3)[context.labels]).astype(np.float32)
    context = replace(context, tables={DIVERSITY_OOF: sure})
    for rule in ("noise-rate", "class", "both", "joint"):
        weight = weights_of(build("confident-learning", prune=rule), context, DIVERSITY_OOF, sample)
        assert weight.tolist() == [1] * 60


@pytest.mark.parametrize("extra", [1.0, 4.0, 50.0])
def test_jtt_is_training_on_copies(extra, build, sample, close):
    """The mean loss of the weighted rows is that of a set to which each error was added `extra` times."""
    context = scored_rows(DIVERSITY)
    labels, log_probs = torch.from_numpy(context.labels), torch.from_numpy(context.tables[DIVERSITY])
    method = build("jtt", extra=extra)
    method.start(context)
    batch = sample(None, labels, diversity=log_probs, size=len(labels), dtype=DOUBLE).batch
    loss, weight = method.losses(batch)
    errors = torch.nonzero(log_probs.argmax(1) != labels).flatten()
    rows = torch.cat([torch.arange(len(labels)), errors.repeat(int(extra))])
    close(loss.mean(), -batch.logp[rows].mean())
    close(weight.mean(), torch.tensor(1.0, dtype=DOUBLE))


@pytest.mark.parametrize(
    ("entry", "table"), [("confident", QUALITY), ("confident-learning", DIVERSITY_OOF), ("jtt", DIVERSITY)]
)
def test_weights_follow_the_rows(entry, table, build, sample):
    """A data set in another order has the same weights in that order."""
    context = scored_rows(table)
    order = np.random.default_rng(1).permutation(len(context.labels))
    moved = replace(context, labels=context.labels[order], tables={table: context.tables[table][order]})
    before = weights_of(build(entry), context, table, sample)
    torch.testing.assert_close(weights_of(build(entry), moved, table, sample), before[order])


@pytest.mark.parametrize(
    ("entry", "table"), [("confident", QUALITY), ("confident-learning", DIVERSITY_OOF), ("jtt", DIVERSITY)]
)
def test_no_generated_rows_is_no_error(entry, table, build):
    """With train_on=real there is nothing to count before training, and no batch will ask."""
    empty = Context(
        3,
        10,
        (1 / 3,) * 3,
        None,
        np.zeros(0, np.int64),
        {table: np.zeros((0, 3), np.float32)},
        np.zeros(0, np.int64),
    )
    build(entry, train_on="real").start(empty)
