"""EL2N and forgetting against loops over rows and snapshots."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from methods.base import DYNAMICS
from methods.difficulty import forgotten

ROWS, SNAPSHOTS, CLASSES = 90, 6, 3


def world(context, seed=0):
    """Random snapshots."""
    logits = np.random.default_rng(seed).normal(scale=2, size=(ROWS, SNAPSHOTS, CLASSES))
    return replace(
        context(CLASSES),
        labels=np.arange(ROWS) % CLASSES,
        ids=np.arange(ROWS),
        tables={DYNAMICS: log_softmax(logits, axis=2)},
    )


@pytest.mark.parametrize(("early", "count"), [(0.1, 1), (0.5, 3), (1.0, 6)])
def test_el2n_is_its_formula(early, count, build, context):
    """The length of the error vector, averaged over the first snapshots, row by row."""
    cell_context = world(context)
    probabilities = np.exp(cell_context.tables[DYNAMICS])
    expected = [
        np.mean([np.sqrt(((probabilities[i, t] - np.eye(CLASSES)[label]) ** 2).sum()) for t in range(count)])
        for i, label in enumerate(cell_context.labels)
    ]
    method = build("el2n", early=early, share=1 / 3)
    assert method.difficulty(cell_context.labels, cell_context.tables[DYNAMICS]) == pytest.approx(expected)
    kept = np.flatnonzero(method.table(cell_context))
    assert kept.tolist() == sorted(np.argsort(expected)[-30:].tolist())


def test_forgetting_counts_events(context):
    """By the sequence of hits: never learnt counts as often as there are snapshots."""
    cell_context = world(context)
    counts = forgotten(cell_context.labels, cell_context.tables[DYNAMICS])
    hits = cell_context.tables[DYNAMICS].argmax(2) == cell_context.labels[:, None]
    for row, count in zip(hits, counts, strict=True):
        text = "".join("1" if hit else "0" for hit in row)
        assert count == (text.count("10") if "1" in text else SNAPSHOTS)
    assert {0, 1, 2, SNAPSHOTS} <= set(counts.tolist()), "the sample has all cases"


@pytest.mark.parametrize("select", ["hard", "easy"])
def test_forgetting_keeps_an_end_and_draws_among_equal_counts(select, build, context):
    """No dropped row is forgotten more (hard) than a kept one; which of the equal ones are kept depends on the seed."""
    cell_context = world(context)
    counts = forgotten(cell_context.labels, cell_context.tables[DYNAMICS])
    kept = [
        build("forgetting", select=select, share=0.5).table(replace(cell_context, seed=seed)) > 0 for seed in (0, 0, 1)
    ]
    assert kept[0].sum() == 45
    inside, outside = counts[kept[0]], counts[~kept[0]]
    assert inside.min() >= outside.max() if select == "hard" else inside.max() <= outside.min()
    assert kept[0].tolist() == kept[1].tolist()
    assert kept[0].tolist() != kept[2].tolist()
    assert sorted(counts[kept[0]]) == sorted(counts[kept[2]])


@pytest.mark.parametrize("entry", ["el2n", "forgetting"])
def test_both_ends_and_classes(entry, build, context):
    """hard and easy are complements; per_class keeps each label's share; share 1 is cross-entropy."""
    cell_context = world(context)
    hard, easy = (build(entry, select=end, share=0.5).table(cell_context) > 0 for end in ("hard", "easy"))
    if entry == "el2n":
        assert (hard ^ easy).all()
    weights = build(entry, share=0.5, per_class=True).table(cell_context)
    for label in range(CLASSES):
        assert (weights[cell_context.labels == label] > 0).sum() == 15
    assert build(entry, share=1.0).table(cell_context).tolist() == [1.0] * ROWS
