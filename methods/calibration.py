"""Temperature scaling: the factor by which a checker's log-probabilities must be divided to be calibrated.

    T = argmin_T  mean_i -log softmax(log P(. | x_i) / T)_{y_i}

Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. The checker must not have been fitted on the
rows. A checker fitted on a hundred rows is often overconfident; then T > 1, and its weights move closer together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WIDEST = 20.0  # T is in [1/20, 20]: the loss has no minimum if all rows are right, or no more than by chance


def temperature(labels: Array, log_probs: Array) -> float:
    """T from (m,) labels and (m, C) log-probabilities. It is unique, because the loss is convex in 1 / T."""
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_t: float) -> float:
        scaled = log_softmax(log_probs.astype(np.float64) / np.exp(log_t), axis=1)
        return -float(scaled[np.arange(len(labels)), labels].mean())

    bound = np.log(WIDEST)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
