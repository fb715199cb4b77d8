import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from bench.stats import metrics


def by_hand_f1(labels, predicted, classes):
    """Macro-F1 from precision and recall, one class at a time."""
    scores = []
    for c in range(classes):
        tp = sum(1 for y, k in zip(labels, predicted, strict=True) if y == k == c)
        precision = tp / max(1, sum(k == c for k in predicted))
        recall = tp / max(1, sum(y == c for y in labels))
        scores.append(2 * precision * recall / (precision + recall) if tp else 0.0)
    return sum(scores) / classes


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(1, 30), st.integers(0, 10_000))
def test_metrics_match_plain_loops(classes, rows, seed):
    rng = np.random.default_rng(seed)
    labels, logits = rng.integers(classes, size=rows), rng.normal(size=(rows, classes)).astype(np.float32)
    predicted = [max(range(classes), key=row.__getitem__) for row in logits.tolist()]
    assert metrics.accuracy(labels, logits) == pytest.approx(np.mean([*map(np.equal, predicted, labels)]))
    assert metrics.macro_f1(labels, logits) == pytest.approx(by_hand_f1(labels.tolist(), predicted, classes))
    probabilities = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(1, keepdims=True)
    assert metrics.log_loss(labels, logits) == pytest.approx(-np.log(probabilities[np.arange(rows), labels]).mean())


def test_log_probabilities_are_those_of_the_last_axis():
    logits = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32) * 50
    np.testing.assert_allclose(metrics.log_probabilities(logits), log_softmax(logits.astype(float), axis=2), atol=1e-12)


def test_classes_that_do_not_occur_count_as_zero():
    logits = np.array([[2.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 2, 0]])
    labels = np.array([0, 0, 1, 1])
    assert metrics.accuracy(labels, logits) == 1.0
    assert metrics.macro_f1(labels, logits) == pytest.approx(2 / 3)  # class 2: no label, no prediction
    always_first = np.tile([1.0, 0], (4, 1))
    assert metrics.macro_f1(labels, always_first) == pytest.approx((2 * 2 / 6) / 2)  # class 1 is never predicted


def test_confusion_of_all_seeds_at_once():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(3, size=20), rng.integers(3, size=(4, 20))
    counts = metrics.confusion(labels, predicted, 3)
    assert counts.shape == (4, 3, 3)
    for s in range(4):
        for y in range(3):
            for k in range(3):
                assert counts[s, y, k] == ((labels == y) & (predicted[s] == k)).sum()
    assert metrics.macro_f1_of(counts)[2] == pytest.approx(by_hand_f1(labels.tolist(), predicted[2].tolist(), 3))


def test_log_loss_of_extreme_logits_is_finite():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32)
    assert metrics.log_loss(np.array([0, 0]), logits) == pytest.approx(1e4)


def test_ties_go_to_the_lower_class():
    assert metrics.accuracy(np.array([0, 1]), np.zeros((2, 2))) == 0.5


def test_ece():
    certain = np.log(np.array([[0.9, 0.1]] * 10))
    labels = np.array([0] * 7 + [1] * 3)
    assert metrics.ece(labels, certain) == pytest.approx(0.2)  # 0.9 confident, 0.7 right
    mixed = np.log(np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10))
    both = np.array([0] * 9 + [1] + [0] * 8 + [1] * 2)
    assert metrics.ece(both, mixed) == pytest.approx((0 + 0.2) / 2)


def test_bins_of_the_ece_are_closed_on_the_right():
    between = np.log(np.array([[0.5, 0.5], [0.6, 0.4]]))  # 0.5 is in the lower one of two bins, 0.6 in the upper one
    assert metrics.ece(np.array([1, 0]), between, bins=2) == pytest.approx((0.5 + 0.4) / 2)
    certain = np.array([[1e4, 0.0], [np.log(0.96), np.log(0.04)]])  # 1 has no bin of its own
    assert metrics.ece(np.array([1, 0]), certain) == pytest.approx((1 - 0.04) / 2)
