"""Distributionally robust optimisation over the rows of a batch: the larger a row's loss, the larger its weight.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = B exp(s_i / r) / sum_j exp(s_j / r), detached
    shape=loss        s_i = l_i, the row's loss: weights that maximise sum_i w_i l_i - r KL(w || uniform)
    shape=lin-upper   s_i = min(h_i + 1, 1), where h_i is l_i scaled to [-1, 1] over the batch: small losses count less,
                      all losses above the middle count alike

Source: the first is KL-regularised DRO, after Qi et al., "Attentional-Biased Stochastic Gradient Descent", TMLR 2023.
They divide by a moving average of the batches' mean exp(s / r), in which the newest has the part 0.9 (r 0.5 in their
README); here it is the mean of the batch, so that every batch has weight 1; the second is LinUpper of Sow et al.,
"Dynamic Loss-Based Sample Reweighting for Improved Large Language Model Pretraining", ICLR 2025, and their released
code (r = 1 is the default of the latter). They pretrain language models, where a large loss is a hard text. Among
generated rows it can be a wrong label, which shape=loss weights most. shape=lin-upper cannot: no weight is above
e^(1/r) times the smallest one. The source begins after some updates of plain training; here `warmup` is the part of all
updates that goes first (default 0).
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Literal

from methods.base import Batch, Context, WeightConfig, WeightMethod, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

LEAST_RANGE = 1e-6  # of a batch's losses


@dataclass(frozen=True)
class KLDROConfig(WeightConfig):
    shape: Literal["loss", "lin-upper"] = setting("loss", search=("loss", "lin-upper"), note="what weights grow with")
    r: float = setting(1.0, search=(0.2, 5.0), log=True, note="the larger, the more equal the weights; 1 there")
    warmup: float = setting(0.0, search=(0.0, 0.5), note="part of the updates with equal weights")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.01 <= self.r < inf:
            raise ValueError(f"r must lie in [0.01, inf), not {self.r}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup must lie in [0, 1], not {self.warmup}")


@register("kl-dro")
class KLDRO(WeightMethod):
    """Cross-entropy in which rows with a large loss count more.

    Fails: By its formula, a row's weight at the defaults is proportional to 1/p, so wrong labels weigh most;
    `shape=lin-upper` bounds that. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = KLDROConfig
    config: KLDROConfig

    def start(self, context: Context) -> None:
        """Compute the first update with weights."""
        self.first = round(self.config.warmup * context.updates)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights of mean 1."""
        import torch

        loss = -batch.logp.detach()
        if batch.step < self.first:
            return torch.ones_like(loss)
        score = loss if self.config.shape == "loss" else lin_upper(loss)
        return len(loss) * (score / self.config.r).softmax(0)


def lin_upper(loss: Tensor) -> Tensor:
    """(B,) min(h + 1, 1), with h the losses (B,) scaled to [-1, 1]."""
    low, high = loss.min(), loss.max()
    scaled = (2 * loss - (low + high)) / (high - low).clamp(min=LEAST_RANGE)
    return (scaled + 1).clamp(max=1)
