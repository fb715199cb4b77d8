"""SelfMix without its mixing: rows with a large loss lose their label and are trained on the model's own prediction.

    loss = mean_i  -log p(y_i | x_i)                      if row i is taken to be clean, else
                   -sum_c t_ic log p(c | x_i)             t_i = q_i^(1/T) / sum_c q_ic^(1/T), detached
    q_i is the model's prediction with dropout off. All rows are clean during the warm-up. At each refresh:
    e_i = cross-entropy of softmax(q_i) with y_i;  of each label, less its mean and divided by its variance
    row i is clean if the component with the smaller mean, of two Gaussians fitted to e, explains e_i with probability
    above `threshold`

Source: Qiao et al., "SelfMix: Robust Learning Against Textual Label Noise with Self-Mixup Training", COLING 2022, and
the released code: e is the loss of probabilities taken as logits, and is divided by the variance; threshold and T are
0.5 there. These are its settings for instance-dependent noise; by default it scales all rows together to [0, 1]. The
mixture is fitted as there: at most 10 steps, tolerance 0.01. Left out are mixing pairs of sentence embeddings, for
which a method would need the inside of the network, agreement of two dropout passes, and the pseudo loss, whose weight
is 0 in these settings (0.2 by default). What remains is the division of DivideMix (Li, Socher and Hoi, ICLR 2020) for
text, with one network. Its unlabelled batches are as large as the labelled ones; here a row counts once. The warm-up is
5,000 rows there; here it is half of the updates, then there are two refreshes, evenly spread. In preset `quick` half of
the updates is three quarters of a pass. No effective weight is stored.
Cost: 1 + a third of the updates after the warm-up, for q, and a third of a pass over the generated rows per refresh.
Needs: nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Batch, Context, Losses, Method, MethodConfig, setting
from methods.hooks import FORWARD, Budget
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SelfMixConfig(MethodConfig):
    warmup: float = setting(0.5, search=(0.2, 0.8), note="part of the updates with all labels; ours; 1 is CE")
    refreshes: int = setting(2, search=(1, 4), note="divisions of the rows; one per epoch there; 0 is CE")
    threshold: float = setting(0.5, search=(0.3, 0.9), note="probability above which a row is clean; 0.5 there")
    temperature: float = setting(0.5, search=(0.2, 1.0), note="sharpens own predictions; 0.5 there")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("warmup", "threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if not 0.01 <= self.temperature <= 100:
            raise ValueError(f"temperature must lie in [0.01, 100], not {self.temperature}")
        if not 0 <= self.refreshes <= 100:
            raise ValueError(f"refreshes must lie in [0, 100], not {self.refreshes}")


@register("selfmix")
class SelfMix(Method):
    """Cross-entropy; rows that look wrongly labelled are trained on the model's own prediction.

    Fails: By its formula, rows with a large loss lose their label, hard ones like wrong ones, and two groups are fitted
    even where all labels are right. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    version = 2
    Config = SelfMixConfig
    config: SelfMixConfig

    def start(self, context: Context) -> None:
        """Take all rows to be clean."""
        import torch

        self.clean = context.per_row(1.0) > 0
        self.labels = torch.zeros(len(self.clean), dtype=torch.int64)
        if context.ids is not None and context.labels is not None:
            self.labels[torch.from_numpy(context.ids)] = torch.from_numpy(context.labels)
        self.divided = False

    def refreshes(self, updates: int) -> Collection[int]:
        """Updates spread evenly over what follows the warm-up; none if nothing follows it."""
        first, count = round(self.config.warmup * updates), self.config.refreshes
        return {first + (updates - first) * number // count for number in range(count)} - {updates}

    def refresh(self, ids: Tensor, log_probs: Tensor) -> None:
        """Divide the rows anew."""
        import torch

        labels = self.labels[ids.cpu()].numpy()
        probability = clean_probability(log_probs.double().cpu().numpy(), labels)
        self.clean[ids.cpu()] = torch.from_numpy(probability > self.config.threshold)
        self.divided = True

    def losses(self, batch: Batch) -> Losses:
        if not self.divided:
            return Losses(-batch.logp, None)
        assert batch.evaluate is not None, "the trainer gives every batch its second pass"
        own = (batch.evaluate() / self.config.temperature).softmax(1).detach()
        clean = self.clean[batch.ids.cpu()].to(batch.logp)
        return Losses(-clean * batch.logp - (1 - clean) * (own * batch.log_probs).sum(1), None)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, SelfMixConfig)
        if not config.refreshes:
            return 1.0
        return 1 + FORWARD * (1 - config.warmup + config.refreshes * budget.share(budget.generated))


def clean_probability(log_probs: Array, labels: Array) -> Array:
    """(n,) probability that a row is clean, from (n, C) log-probabilities and (n,) labels; 1 if losses are all
    alike."""
    import numpy as np
    from scipy.special import log_softmax
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    error = -log_softmax(np.exp(log_probs), axis=1)[np.arange(len(labels)), labels]
    for label in np.unique(labels):
        rows = labels == label
        error[rows] = (error[rows] - error[rows].mean()) / max(error[rows].var(), np.finfo(float).tiny)
    if len(np.unique(error)) < 2:
        return np.ones(len(labels))
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so few steps need not converge
        mixture.fit(error[:, None])
    return np.asarray(mixture.predict_proba(error[:, None])[:, mixture.means_.argmin()])
