"""Density ratio: generated rows are weighted by how much more likely their text is among real ones.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = min(s r_i, clip), of mean 1 over the rows with label y_i
    r_i = (d_i / (1 - d_i)) ^ power        d_i = P(real | x_i); s scales the rows of a label

d is a logistic regression that distinguishes real from generated rows by the pretrained encoder's standardised
embeddings. There is one for each class (per_class=False: one for all). Its predictions are out of fold (5) and scaled
on held-out rows (Platt), because a classifier that was fitted on a row, or is overconfident, gives nearly all the
weight to a few rows.
Source: the ratio of densities by classification (Bickel, Bruckner and Scheffer, "Discriminative Learning under
Covariate Shift", JMLR 2009); the exponent is from Shimodaira, JSPI 2000. Defaults: power 1; clip 10 is ours.
Per class, the weights move p(x | y) towards the real rows and keep the label shares, which `ce-prior` corrects. Text of
language models is often easy to recognise. Then few rows carry most of the weight, and training is like training on
that few rows (on tweets effectively 200 of 1000); `power` below 1 or a smaller `clip` spreads the weight again. With an
area under the curve near 1 the ratio is a guess, and the cell's log warns of it.
Cost: 1, after one pass of the encoder over all rows. Needs: embeddings of the generated and the small real set, and the
labels of the latter unless per_class=False.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from methods.base import EMBEDDINGS, REAL_EMBEDDINGS, setting
from methods.matching import Matching, MatchingConfig
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FOLDS = 5
LEAST = 600.0  # nats below the largest log ratio, at most: exp of that does not underflow, nor does its inverse
TELLING = 0.98  # area under the curve above which the ratio is a guess


@dataclass(frozen=True)
class DensityRatioConfig(MatchingConfig):
    power: float = setting(1.0, search=(0.1, 1.0), note="flattens the ratio; 0 is CE")
    clip: float = setting(10.0, search=(2.0, 50.0), log=True, note="largest weight; 1 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.power <= 10:
            raise ValueError(f"power must lie in [0, 10], not {self.power}")
        if not 1 <= self.clip < inf:
            raise ValueError(f"clip must lie in [1, inf), not {self.clip}")


@register("density-ratio")
class DensityRatio(Matching):
    """Cross-entropy weighted towards generated rows that resemble real ones.

    Fails: By its formula, few rows get most of the weight where generated texts are told from real ones (on tweets
    effectively 200 of 1,000), and labels are not judged. In our results no gain over `ce` is shown on `twitter` or
    `financial`.
    """

    Config = DensityRatioConfig
    config: DensityRatioConfig
    version = 2
    requires = (EMBEDDINGS, REAL_EMBEDDINGS)

    def matched(self, generated: Array, real: Array, rng: np.random.Generator) -> Array:
        return bounded(self.config.power * log_density_ratio(generated, real), self.config.clip)


def bounded(log_ratio: Array, bound: float) -> Array:
    """(n,) weights of mean 1, proportional to the ratios; those above `bound` are cut to it. `bound` is 1 or more.

    The weights are bounded, not the ratios: if the two sets hardly overlap, the mean ratio over the rows is near 0, and
    bounded ratios would not give bounded weights.
    """
    import numpy as np

    n, order = len(log_ratio), np.argsort(-log_ratio, kind="stable")
    ratio = np.exp(np.maximum(log_ratio[order] - log_ratio.max(), -LEAST))
    rest = np.cumsum(ratio[::-1])[::-1]  # the sum over a row and all smaller ones
    left = n - bound * np.arange(n)  # the weight that remains if all larger rows are cut
    count = int(np.argmax(left * ratio <= bound * rest))  # the first row that is not cut; there is one, for bound >= 1
    weights = np.full(n, bound)
    weights[order[count:]] = ratio[count:] * left[count] / rest[count]
    return weights


def log_density_ratio(generated: Array, real: Array) -> Array:
    """(n,) log p(x | real) / p(x | generated) of (n, H) generated rows, out of fold, calibrated; real rows (m, H)."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = np.concatenate([generated, real]).astype(np.float64)
    is_real = np.repeat([0, 1], [len(generated), len(real)])
    folds = min(FOLDS, len(generated), len(real))
    if folds < 2:
        return np.zeros(len(generated))
    # Strong regularisation: there are as many dimensions as real rows.
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    logit = cross_val_predict(classifier, rows, is_real, cv=splits, method="decision_function")
    area = roc_auc_score(is_real, logit)
    if area > TELLING:
        logging.getLogger(__name__).warning(
            "real and generated rows are told apart (area %.3f): weights mean little", area
        )
    scale = LogisticRegression(C=np.inf).fit(logit[:, None], is_real)
    scaled = scale.decision_function(logit[: len(generated), None])
    return np.asarray(scaled + np.log(len(generated) / len(real)))
