"""Methods whose weights come from snapshots of a training: data maps, the area under the margin, self-boosting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from methods.base import DYNAMICS
from methods.hooks import Phase


@pytest.fixture
def seen(context):
    """A context of 50 rows, three classes and six snapshots, and the same in plain numbers."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=50)
    dynamics = log_softmax(rng.normal(scale=2, size=(50, 6, 3)), axis=2)
    return replace(context(), labels=labels, ids=np.arange(50), tables={DYNAMICS: dynamics}), labels, dynamics


def kept(merits, count):
    """The rows with the largest merit."""
    return set(sorted(range(len(merits)), key=lambda i: -merits[i])[:count])


@pytest.mark.parametrize("select", ["ambiguous", "easy", "hard"])
def test_data_maps_are_their_definition(select, build, seen):
    cell_context, labels, dynamics = seen
    values = [[np.exp(snapshot[y]) for snapshot in row] for row, y in zip(dynamics, labels, strict=True)]
    merits = {
        "ambiguous": [np.sqrt(np.mean([(p - np.mean(row)) ** 2 for p in row])) for row in values],
        "easy": [np.mean(row) for row in values],
        "hard": [-np.mean(row) for row in values],
    }[select]
    weights = build("cartography", select=select, share=0.3).table(cell_context)
    assert set(np.flatnonzero(weights)) == kept(merits, 15)
    assert weights.mean() == pytest.approx(1)


def test_area_under_the_margin_is_its_definition(build, seen):
    cell_context, labels, dynamics = seen
    merits = [
        np.mean([snapshot[y] - max(z for c, z in enumerate(snapshot) if c != y) for snapshot in row])
        for row, y in zip(dynamics, labels, strict=True)
    ]
    weights = build("aum", drop=0.3).table(cell_context)
    assert set(np.flatnonzero(weights)) == kept(merits, 35)
    assert weights.mean() == pytest.approx(1)
    shifted = replace(cell_context, tables={DYNAMICS: dynamics + np.random.default_rng(1).normal(size=(50, 6, 1))})
    assert build("aum", drop=0.3).table(shifted).tolist() == weights.tolist()


@pytest.mark.parametrize(("entry", "settings"), [("cartography", {"share": 0.3}), ("aum", {"drop": 0.7})])
def test_a_share_of_each_label(entry, settings, build, seen):
    """per_class=True ranks the rows of a label among themselves."""
    cell_context, labels, dynamics = seen
    method = build(entry, per_class=True, **settings)
    weights, merits = method.table(cell_context), method.merit(labels, dynamics)
    assert weights.mean() == pytest.approx(1)
    for label in range(3):
        rows = np.flatnonzero(labels == label)
        assert set(np.flatnonzero(weights[rows])) == kept(merits[rows].tolist(), round(0.3 * len(rows)))
    assert weights.tolist() != build(entry, **settings).table(cell_context).tolist()


def test_one_snapshot_has_no_variability(build, seen):
    """Nothing is then more ambiguous than anything else: rows are taken in their order."""
    cell_context, _, dynamics = seen
    once = replace(cell_context, tables={DYNAMICS: dynamics[:, :1]})
    assert np.flatnonzero(build("cartography", share=0.2).table(once)).tolist() == list(range(10))


@pytest.mark.parametrize("boost", ["errors", "both"])
def test_fusegen_is_its_recursion(boost, build, context, sample):
    """Two rounds of weights in plain Python, from what each training says of the rows before its last update."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=30)
    method = build("fusegen", boost=boost)
    method.start(replace(context(requires=()), labels=labels, ids=np.arange(30)))
    assert method.phases(10) == (Phase(10), Phase(10, anew=True), Phase(10, anew=True))
    beta, expected = 1 + np.sqrt(2 * np.log(30 / 2)), np.ones(30)
    for number in range(2):
        assert list(method.refreshes(10)) == [9]
        log_probs = log_softmax(rng.normal(size=(30, 3)), axis=1)
        order = rng.permutation(30)
        method.refresh(torch.from_numpy(order), torch.from_numpy(log_probs[order]))
        before = method.losses(sample(labels=torch.from_numpy(labels), size=30).batch).weight
        assert before.tolist() == pytest.approx(expected.tolist()), "weights hold for a whole training"
        method.phase_end(number, None)
        for i, y in enumerate(labels):
            error, wrong = 1 - np.exp(log_probs[i, y]), log_probs[i].argmax() != y
            expected[i] *= beta ** (-error if wrong else error if boost == "both" else 0)
        expected /= expected.mean()
    after = method.losses(sample(labels=torch.from_numpy(labels), size=30).batch).weight
    assert after.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert list(method.refreshes(10)) == [], "the last training is not looked at"
