"""InfoBatch: skip some of the easy rows, and raise the weight of the other easy rows in return.

    loss = mean_i  w_i * -log p(y_i | x_i)        over a batch, a skipped row counting 0
    easy: the row's loss at its last visit is below the mean of those losses at the start of the epoch
    an easy row is skipped with probability r; otherwise w_i = 1 / (1 - r). All other rows: w_i = 1
    no row is skipped in the first epoch, nor after the first `until` of the updates

In expectation the gradient is that of cross-entropy on the same batches, with fewer passes: the method saves time.
Source: Qin et al., "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning", ICLR 2024. Defaults: r 0.5
and until 0.875, as in the source. In the source an epoch's batches are filled up with other rows, and there are fewer
updates. Here batches keep their position and become smaller, so that the number of updates and their learning rates are
those of every method. The released code takes the mean over the remaining rows, a larger step, and still rescales in
the last epochs if their number times 0.875 is not whole; this file does neither. A batch that would lose all its rows
keeps them all, with weight 1. With one pass over the rows it is `ce`; preset quick makes one and a half passes, and few
rows are skipped.
Cost: below 1, down to about 1 - r/2 with many epochs; declared as 1. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Batch, Context, WeightConfig, WeightMethod, setting
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True)
class InfoBatchConfig(WeightConfig):
    r: float = setting(0.5, search=(0.1, 0.8), note="chance that an easy row is skipped; 0.5 in Qin 2024; 0 is CE")
    until: float = setting(0.875, search=(0.5, 1.0), note="part of the updates after which none is; 0.875 there")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.r < 1:
            raise ValueError(f"r must lie in [0, 1), not {self.r}")
        if not 0 <= self.until <= 1:
            raise ValueError(f"until must lie in [0, 1], not {self.until}")


@register("infobatch")
class InfoBatch(WeightMethod):
    """Cross-entropy that visits easy rows half as often, at twice the weight.

    Fails: By its formula, it aims at the gradient of `ce`, wrong labels included, and skips rows only after the first
    epoch. In our results (preset `quick`) it was equivalent to `ce` on `twitter` and `financial`.
    """

    Config = InfoBatchConfig
    config: InfoBatchConfig
    pairing = "partial"

    def start(self, context: Context) -> None:
        """Forget all visits: no row is easy yet."""
        self.last = context.per_row(math.nan)
        self.stop = self.config.until * context.updates
        self.epoch, self.threshold, self.pruning = 0, -math.inf, False

    def keep(
        self, ids: np.ndarray[Any, Any], step: int, epoch: int, rng: np.random.Generator
    ) -> np.ndarray[Any, Any] | None:
        """(B,) mask of all rows but the easy ones that are skipped."""
        if epoch != self.epoch:
            self.epoch, self.threshold = epoch, float(self.last.nanmean())
        self.pruning = self.config.r > 0 and step < self.stop
        if not self.pruning:
            return None
        easy = (self.last[ids] < self.threshold).cpu().numpy()
        stays = ~easy | (rng.random(len(ids)) >= self.config.r)
        self.pruning = bool(stays.any())
        return stays if self.pruning else None

    def weights(self, batch: Batch) -> Tensor:
        """(B,) 1, or 1 / (1 - r) for an easy row. Stores the losses of this visit."""
        import torch

        self.last = self.last.to(batch.ids.device)
        easy = (self.last[batch.ids] < self.threshold) & self.pruning
        self.last[batch.ids] = -batch.logp.detach().to(self.last)
        return torch.where(easy, 1 / (1 - self.config.r), 1.0).to(batch.logp)
