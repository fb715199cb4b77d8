"""RHO-Loss: train on the rows of each batch whose loss can be reduced most.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = B / k for the k rows with the largest score, 0 for the rest
    score_i = log P'(y_i | x_i) - log p(y_i | x_i)        the model's loss minus the quality checker's; k = share * B

The mean over the batch then equals the mean over the selected rows (k is rounded up; ties at the border are in).
With pool > 1 the batch has `pool` times as many candidates, as many as there are at most. They are scored without
gradient and with dropout off, and only the selected rows are trained on: pool=10 selects 32 of 320. The control
`shuffle` then permutes which candidates are selected.
Source: Mindermann et al., "Prioritized Training on Points that are Learnable, Worth Learning, and Not Yet Learnt",
ICML 2022. Default: share 0.1, as in the source. Their irreducible loss is that of a model fitted on holdout data; here
this model is the quality checker. Their configuration for text is pool=10, with dropout on for the scores. The default
here is pool=1, with the scores of the training pass, dropout on: 3 or 4 of 32 rows are trained on, and gradients are
noisier. There are as many updates as for every method. With pool=1 as many rows pass through the model as for `ce`, and
a tenth of them is trained on; with pool=10 about as many are trained on as for `ce`, out of ten times the candidates.
exp(score) is the weight of `dimp`: RHO selects the rows to which DIMP gives the largest weights, and `dimp` is its soft
form.
Cost: 1 with pool=1, because one pass gives both the scores and the gradient; else share and a third of the candidates,
4.3 for pool=10 if batches divide the rows. Needs: P'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from methods.base import (
    QUALITY,
    Batch,
    Context,
    MethodConfig,
    RealUse,
    WeightConfig,
    WeightMethod,
    lowest,
    setting,
)
from methods.hooks import FORWARD, Budget, Phase
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RHOConfig(WeightConfig):
    share: float = setting(0.1, search=(0.05, 0.8), log=True, note="part of a batch that is trained on; 1 is CE")
    pool: int = setting(1, note="candidates, in batches; 10 in the source's configuration for text")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")
        if not 1 <= self.pool <= 100:
            raise ValueError(f"pool must lie in [1, 100], not {self.pool}")
        if self.pool > 1 and self.train_on != "generated":
            raise ValueError("pool above 1 needs train_on=generated: real rows are no candidates")


@register("rho")
class RHO(WeightMethod):
    """Cross-entropy on the top of each batch by reducible loss.

    Fails: By its formula, three or four of 32 rows are trained on, so gradients are noisy, and the errors of the
    quality checker choose the rows. In our results with preset `probe` a checker of one pass over the real rows left it
    2.5 points below `ce`.
    """

    Config = RHOConfig
    config: RHOConfig
    requires = (QUALITY,)
    real_use = RealUse.CHECKER

    def start(self, context: Context) -> None:
        """Nothing is chosen yet."""
        self.factor = 1.0

    def phases(self, updates: int) -> Sequence[Phase]:
        return (Phase(updates, candidates=self.config.pool),)

    def choose(self, batch: Batch) -> Tensor:
        """(B,) mask of the candidates with the largest scores."""
        chosen = self._shuffled(self.selected(batch), batch)
        self.factor = len(chosen) / int(chosen.sum())
        return chosen

    def selected(self, batch: Batch) -> Tensor:
        """(B,) mask of the rows with the largest scores."""
        return lowest(batch.logp.detach() - batch.quality_logp.detach(), self.config.share)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) B / k for the selected rows, else 0; with a pool, rows that are not selected are not in the batch."""
        import torch

        if self.config.pool > 1:
            return torch.full_like(batch.logp.detach(), self.factor)
        chosen = self.selected(batch).to(batch.logp.dtype)
        return chosen / chosen.mean()

    @classmethod
    def pairing_of(cls, config: MethodConfig) -> Literal["full", "partial"]:
        assert isinstance(config, RHOConfig)
        return "partial" if config.pool > 1 else super().pairing_of(config)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, RHOConfig)
        if config.pool == 1:
            return 1.0
        candidates = replace(budget, batch_size=budget.batch_size * config.pool).rows
        chosen = math.ceil(config.share * candidates - 1e-9)
        return (FORWARD * candidates + chosen) / budget.rows
