"""Corrections for asking several questions at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.stats.metrics import FloatArray


def holm(p: Sequence[float]) -> FloatArray:
    """Holm's step-down p-values: max over the smaller ones of (m - rank + 1) p, at most 1 (Holm, 1979).

    A NaN is a planned comparison that could not be made. It still counts in m, so that a failed cell never makes the
    others look better; its own corrected value is NaN.
    """
    values = np.asarray(p, np.float64)
    asked = np.nan_to_num(values, nan=1.0)
    order = np.argsort(asked, kind="stable")
    stepped = np.maximum.accumulate(asked[order] * np.arange(len(order), 0, -1))
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(stepped, 1.0)
    return np.where(np.isnan(values), np.nan, corrected)


def benjamini_hochberg(p: Sequence[float]) -> FloatArray:
    """p-values adjusted for the false discovery rate (Benjamini and Hochberg, 1995), by SciPy."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.asarray(p, np.float64)))
