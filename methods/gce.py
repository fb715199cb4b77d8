"""Generalised cross-entropy: a loss between cross-entropy and the mean absolute error, optionally truncated.

    loss = mean_i  (1 - p^q) / q,  p = p(y_i | x_i)        effective weight p^q
    q -> 0 is -log p, q = 1 is 1 - p (half of the absolute error between softmax and one-hot label)
    truncated at k    the loss of p = k wherever p <= k: there the weight is 0

Source: Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
NeurIPS 2018. Defaults: q 0.7, without truncation; `truncate=0.5` is their second loss. They begin to prune at epoch 40
of 120, which is `start` 1/3, and check the pruned rows again every ten epochs. Here each batch is pruned by the p of
its own forward pass, so a row can return at once and nothing is stored.
Rows that the model fits badly count less. Wrong labels are among them, but so are right labels that the model has not
learnt yet: expect a slow start from p = 1/C with many classes. With k above 1/C, a model that has learnt little by
`start` loses most rows.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, Context, MethodConfig, PointwiseLoss, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GCEConfig(MethodConfig):
    q: float = setting(0.7, search=(0.1, 1.0), note="0.7 in Zhang and Sabuncu 2018; 0 is CE, 1 is 1 - p")
    truncate: float | None = setting(
        None, search=(0.1, 0.7), note="p at and below which a row has weight 0; 0.5 in the source's truncated loss"
    )
    start: float = setting(
        1 / 3, search=(0.0, 0.6), note="share of the updates before rows are truncated; epoch 40 of 120 in the source"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.q <= 1:
            raise ValueError(f"q must lie in [0, 1], not {self.q}")
        if self.truncate is not None and not 0 < self.truncate < 1:
            raise ValueError(f"truncate must lie in (0, 1), not {self.truncate}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"start must lie in [0, 1], not {self.start}")


@register("gce")
class GCE(PointwiseLoss):
    """Cross-entropy weighted by p^q.

    Fails: By its formula, a row that the model does not fit yet counts little, a hard one like a wrong one, and with
    many classes training starts slowly. In our results no gain over `ce` is shown on `twitter`.
    """

    Config = GCEConfig
    config: GCEConfig

    def start(self, context: Context) -> None:
        """Find the first update in which rows are truncated."""
        self.first_truncated = math.ceil(self.config.start * context.updates)

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) generalised cross-entropy. Its slope is -p^q, or 0 at and below the truncation."""
        import torch

        q, k = self.config.q, self.config.truncate
        if k is not None and batch.step >= self.first_truncated:
            bound = math.log(k)
            logp = torch.where(logp > bound, logp, bound)  # a clamp would pass the gradient at p = k
        return -torch.expm1(q * logp) / q if q > 0 else -logp
