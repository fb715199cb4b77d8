"""The temperature of a checker: how much surer or less sure it should be than it is.

    T = argmin_T  mean_i -log softmax(log P(. | x_i) / T)_{y_i}

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. The rows must be ones that the checker
was not fitted on. A checker of a hundred rows is often too sure; then T > 1, and its weights come closer together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDEST = 20.0  # T lies between 1/20 and 20: with all rows right, or no better than chance, there is no smallest loss


def temperature(labels: Array, log_probs: Array) -> float:
    """T of (m,) labels and (m, C) log-probabilities: unique, because the loss is convex in 1 / T."""
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_t: float) -> float:
        scaled = log_softmax(log_probs.astype(np.float64) / np.exp(log_t), axis=1)
        return -float(scaled[np.arange(len(labels)), labels].mean())

    bound = np.log(WIDEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
