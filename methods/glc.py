"""Gold loss correction: the model's prediction passes through the estimated errors of the generated labels.

    loss = mean_i  -log sum_c p(c | x_i) M_{c, y_i}
    M_{c k} = mean of Q'(k | x) over the real rows x with label c        estimated P(generated label k | true class c)

Q' is a classifier fitted on the generated rows; real rows show what it calls each true class. The model itself then
predicts true classes. Real rows are trained on with plain cross-entropy, as in the source.
Source: Hendrycks, Mazeika, Wilson and Gimpel, "Using Trusted Data to Train Deep Networks on Labels Corrupted by Severe
Noise", NeurIPS 2018, and the released code. It assumes that errors depend on the class alone. Here Q' also errs because
generated texts differ from real ones, and M takes these errors for errors of labels. A class without real rows is taken
to be labelled rightly. With train_on=generated the real rows serve for M alone. If M is the identity it is `ce-mix`. No
effective weight is stored, because the loss reads the whole distribution.
Cost: 1, after one training on the generated rows, as `ce`, which scores the real rows. Needs: the small real set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import DIVERSITY_REAL, Batch, Context, Losses, Method, RealUse
from methods.ce import MixConfig
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FLOOR = 1e-12  # of an entry of M, so that no label is impossible


@dataclass(frozen=True)
class GLCConfig(MixConfig):
    """No settings of its own."""


@register("glc")
class GLC(Method):
    """Cross-entropy after a correction for labels that are wrong in each class.

    Fails: By its formula, what the classifier gets wrong on real texts is taken for wrong generated labels, and few
    real rows of a class give a rough estimate. In our results (preset `quick`) no failure is shown: it was better on
    `twitter` and `financial`.
    """

    Config = GLCConfig
    config: GLCConfig
    requires = (DIVERSITY_REAL,)
    real_use = RealUse.CLASSES

    def start(self, context: Context) -> None:
        """Estimate M."""
        import torch

        self.log_matrix = torch.from_numpy(label_errors(*context.real_scored(DIVERSITY_REAL))).log()

    def losses(self, batch: Batch) -> Losses:
        matrix = self.log_matrix.to(batch.log_probs)
        corrected = (batch.log_probs[:, :, None] + matrix).logsumexp(1)
        return Losses(-corrected.gather(1, batch.labels[:, None]).squeeze(1), None)


def label_errors(labels: Array, log_probs: Array) -> Array:
    """(C, C) the matrix M from (m,) labels and (m, C) log-probabilities of real rows; each row sums to 1."""
    import numpy as np

    matrix = np.eye(log_probs.shape[1])
    for label in np.unique(labels):
        matrix[label] = np.exp(log_probs[labels == label].astype(np.float64)).mean(0)
    matrix = np.maximum(matrix, FLOOR)
    return np.asarray(matrix / matrix.sum(1, keepdims=True))
