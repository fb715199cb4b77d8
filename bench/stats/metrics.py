"""Metrics of test logits: accuracy, macro-F1, log-loss, expected calibration error.

Labels are integers (N,), logits (N, C). The building blocks take logits (..., N, C) or predictions (..., N), so that
all seeds of a method are computed at once. A tie between classes goes to the lower index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.arrays import FloatArray, IntArray


def predict(logits: NDArray[np.floating[Any]]) -> IntArray:
    """Predicted classes (..., N) of logits (..., N, C)."""
    return np.asarray(logits.argmax(axis=-1))


def log_probabilities(logits: NDArray[np.floating[Any]]) -> FloatArray:
    """Log-softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def confusion(labels: IntArray, predictions: IntArray, classes: int) -> IntArray:
    """Counts (..., C, C) of [true class, predicted class] for predictions (..., N)."""
    flat = predictions.reshape(-1, predictions.shape[-1])
    index = np.arange(len(flat))[:, None] * classes**2 + labels * classes + flat
    counts = np.bincount(index.ravel(), minlength=len(flat) * classes**2)
    return counts.reshape(*predictions.shape[:-1], classes, classes)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> FloatArray:
    """The quotient, 0 where the denominator is 0."""
    out: FloatArray = np.zeros(np.shape(numerator))
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def macro_f1_of(counts: IntArray) -> FloatArray:
    """Macro-F1 (...) of confusion counts (..., C, C).

    F1_c = 2 TP_c / (labelled c + predicted as c), averaged over the C classes of the task. A class that is never
    predicted, or that no label has, counts as F1 = 0 (scikit-learn: `labels=range(C), zero_division=0`).
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.asarray(ratio(2 * hits, counts.sum(axis=-1) + counts.sum(axis=-2)).mean(axis=-1))


def accuracy(labels: IntArray, logits: NDArray[np.floating[Any]]) -> float:
    """Share of rows whose label has the highest logit."""
    return float((predict(logits) == labels).mean())


def macro_f1(labels: IntArray, logits: NDArray[np.floating[Any]]) -> float:
    """F1 averaged over the classes of the task; see `macro_f1_of` for classes that do not occur."""
    return float(macro_f1_of(confusion(labels, predict(logits), logits.shape[-1])))


def log_loss(labels: IntArray, logits: NDArray[np.floating[Any]]) -> float:
    """Mean negative log-probability of the labels, in nats; probabilities are not clipped."""
    return float(-np.take_along_axis(log_probabilities(logits), labels[:, None], axis=1).mean())


def ece(labels: IntArray, logits: NDArray[np.floating[Any]], bins: int = 15) -> float:
    """Expected calibration error: sum over bins of (rows in bin / N) |accuracy - mean confidence|.

    Bins of equal width over the confidence of the predicted class, closed on the right (Guo et al., 2017,
    arXiv:1706.04599, equation 3; 15 bins as there).
    """
    confidence = np.exp(log_probabilities(logits).max(axis=1))
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = (predict(logits) == labels) - confidence
    return float(np.abs(np.bincount(index, weights=gap, minlength=bins)).sum() / len(labels))


# All metrics of a cell. A new one is one entry here, and one in the leaderboard's columns to show it.
METRICS: Mapping[str, Callable[[IntArray, NDArray[np.floating[Any]]], float]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "log_loss": log_loss,
    "ece": ece,
}
