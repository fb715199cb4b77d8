"""Learning data weights: one weight per row, learnt together with the model from its effect on real rows (Hu et al.).

    loss = sum_i  softmax(w)_i * -log p(y_i | x_i)        over a batch; norm=linear: w_i / sum_j w_j
    w_i <- max(w_i / w_decay - g_i, 1e-5)        for the rows of the batch, before the update
    g_i = d L_real(theta + sum_j w_j delta_j) / d w_i = <delta_i, grad L_real(theta + sum_j w_j delta_j)>

delta_i is the step that the optimiser (Adam, with its moments) would make for row i alone. j runs over a group of rows
that look ahead together. A row keeps its weight from one epoch to the next.
Source: Hu, Tan, Salakhutdinov, Mitchell and Xing, "Learning Data Manipulation for Augmentation and Weighting", NeurIPS
2019, and the released code, whose behaviour this is: a divisor `w_decay` (the weight of a row without signal falls to
0), groups of 8, weights 1 at an optimiser's first step. Defaults: their script for text with few examples (SST-5):
w_init 1, w_decay 5, softmax, and plain cross-entropy in the first 3 of 13 epochs, here in the same part of the updates.
Their script for imbalance has norm=linear. To bound the cost, each update uses 32 real rows, drawn anew, where the
source uses the whole real set (2 per class in that script). The source adds weight decay to each delta_i; here it is
left out. Dropout is off in the look-ahead. Stored weights are those on a batch mean: B softmax(w).
Memory: `group` copies of the trained weights.
Cost: 1 + 1 for the rows one by one + real_rows / group, in the updates after the first 3 of 13. Needs: gradients on the
small real set. It takes more time than its passes suggest, because rows go through the model alone. With one pass over
the rows, a row's weight is learnt from one look-ahead, just before the row's only update; preset quick makes one and a
half passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import Batch, Context, MethodConfig, RealUse, WeightMethod, setting
from methods.hooks import Budget, Direction, some_real
from methods.l2rw import L2RWConfig
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

LEAST = 1e-5  # the smallest weight, before normalisation


@dataclass(frozen=True)
class HuConfig(L2RWConfig):
    norm: Literal["softmax", "linear"] = setting("softmax", search=("softmax", "linear"), note="within a batch")
    w_init: float = setting(1.0, search=(0.1, 2.0), note="weight of a row at its first visit; 1 for text there")
    w_decay: float = setting(5.0, search=(1.0, 10.0), note="what a row's weight is divided by at each visit; 5 there")
    group: int = setting(8, note="rows that look ahead together; 8 there")
    pretrain: float = setting(0.23, search=(0.0, 0.5), note="part of the updates with plain CE first; 3 of 13 epochs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.w_init <= 100:
            raise ValueError(f"w_init must lie in [0, 100], not {self.w_init}")
        if not 1 <= self.w_decay <= 1e5:
            raise ValueError(f"w_decay must lie in [1, 1e5], not {self.w_decay}")
        if self.group < 1:
            raise ValueError(f"group must be larger than 0, not {self.group}")
        if not 0 <= self.pretrain <= 1:
            raise ValueError(f"pretrain must lie in [0, 1], not {self.pretrain}")


@register("hu")
class Hu(WeightMethod):
    """Cross-entropy with one learnt weight per row, by a look-ahead with Adam.

    Fails: By its formula, a weight is learnt only at the visits of its row, and one or two passes have too few. In our
    results (preset `quick`) it was equivalent to `ce` on `twitter` and `financial`.
    """

    Config = HuConfig
    config: HuConfig
    groups = ("paper",)
    real_use = RealUse.GRADIENT

    def start(self, context: Context) -> None:
        """Set every row's weight to `w_init`."""
        self.learnt = context.per_row(self.config.w_init)
        self.first = round(self.config.pretrain * context.updates)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights of mean 1."""
        import torch

        if batch.step < max(1, self.first):  # without moments the optimiser has no step to look ahead with
            return torch.ones_like(batch.logp)
        self.learnt = self.learnt.to(batch.ids.device)
        real = some_real(batch.probe, self.config.real_rows, batch.rng)
        for ids in batch.ids.split(self.config.group):
            self.learnt[ids] = self.updated(batch, ids, real)
        weight = self.learnt[batch.ids].to(batch.logp)
        share = weight.softmax(0) if self.config.norm == "softmax" else weight / weight.sum()
        return share * len(share)

    def updated(self, batch: Batch, ids: Tensor, real: Tensor) -> Tensor:
        """(G,) the new weights of a group of G rows."""
        import torch

        weight, moves = self.learnt[ids], batch.probe.moves(ids)
        ahead = [combination(owns, weight.tolist()) for owns in zip(*moves, strict=True)]
        slope = batch.probe.gradient(real, real=True, shift=ahead)
        effect = torch.stack([inner(move, slope) for move in moves])
        return (weight / self.config.w_decay - effect.to(weight)).clamp(min=LEAST)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, HuConfig)
        ahead = budget.updates - max(1, round(config.pretrain * budget.updates))
        groups = math.ceil(budget.rows / config.group)
        return 1 + ahead / budget.updates * (1 + groups * config.looked_at(budget) / budget.rows)


def combination(tensors: Sequence[Tensor], factors: Sequence[float]) -> Tensor:
    """The sum of tensors of one shape, each times its factor."""
    total = tensors[0] * factors[0]
    for tensor, factor in zip(tensors[1:], factors[1:], strict=True):
        total.add_(tensor, alpha=factor)
    return total


def inner(a: Direction, b: Direction) -> Tensor:
    """() the inner product of two directions."""
    import torch

    return torch.stack([one.flatten().dot(other.flatten()) for one, other in zip(a, b, strict=True)]).sum()
