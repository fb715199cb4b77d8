"""Early-learning regularisation: cross-entropy plus a term that keeps the model near its own earlier predictions.

    loss = mean_i  -log p(y_i | x_i) + strength * log(1 - <t_i, p(. | x_i)>)
    t_i  <- momentum t_i + (1 - momentum) p_i  at each visit of row i, detached; t_i = 0 at first

The second term falls as p agrees with t. Its gradient holds a row back whose label contradicts what the model predicted
before it began to memorise labels. Before use, p is cut to [1e-4, 1 - 1e-4]; what is averaged into t is scaled to sum
1.
Source: Liu, Niles-Weed, Razavian and Fernandez-Granda, "Early-Learning Regularization Prevents Memorization of Noisy
Labels", NeurIPS 2020, and the released code, whose values these are: momentum 0.7, strength 3 (CIFAR-10; 7 for
CIFAR-100). There, training lasts 120 epochs or more. In preset `quick` a row is visited once or twice: t_i is 0.3 p_i
at the first visit, and the term rewards a sure prediction of any class. No effective weight is stored, because the loss
reads the whole distribution.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from methods.base import Batch, Context, Losses, Method, MethodConfig, setting
from methods.registry import register

FLOOR = 1e-4  # of a probability


@dataclass(frozen=True)
class ELRConfig(MethodConfig):
    strength: float = setting(3.0, search=(0.3, 7.0), log=True, note="of the second term; 3 and 7 there; 0 is CE")
    momentum: float = setting(0.7, search=(0.3, 0.95), note="of the target; 0.7 and 0.9 there")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.strength < inf:
            raise ValueError(f"strength must lie in [0, inf), not {self.strength}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), not {self.momentum}")


@register("elr")
class ELR(Method):
    """Cross-entropy with a term that rewards agreement with a moving average of the model's predictions.

    Fails: By its formula, it needs many visits of a row: after one or two, the term rewards a sure prediction of any
    class, and does not know a wrong label. In our results (preset `quick`) it was equivalent to `ce` on `twitter`.
    """

    Config = ELRConfig
    config: ELRConfig

    def start(self, context: Context) -> None:
        """Set all targets to 0."""
        self.target = context.per_row(0.0)[:, None].repeat(1, context.n_classes)

    def losses(self, batch: Batch) -> Losses:
        momentum = self.config.momentum
        p = batch.log_probs.exp().clamp(FLOOR, 1 - FLOOR)
        self.target = self.target.to(p.device)
        now = p.detach() / p.detach().sum(1, keepdim=True)
        target = momentum * self.target[batch.ids].to(p) + (1 - momentum) * now
        self.target = self.target.index_copy(0, batch.ids, target.to(self.target))
        return Losses(self.config.strength * (1 - (target * p).sum(1)).log() - batch.logp, None)
