"""RHO-Loss: train on the rows of each batch whose loss can be reduced most.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = B / k for the k rows with the largest score, 0 for the rest
    score_i = log P'(y_i | x_i) - log p(y_i | x_i)        the model's loss minus the quality checker's; k = share * B

The mean over the batch then equals the mean over the selected rows (k is rounded up; ties at the border are in).
Source: Mindermann et al., "Prioritized Training on Points that are Learnable, Worth Learning, and Not Yet Learnt",
ICML 2022. Default: share 0.1, as in the source; as there, scores come from a pass with dropout on. Their irreducible
loss is that of a model fitted on holdout data; here this model is the quality checker. Two things differ. They choose
32 of 320 candidates; here the candidates are the batch itself, so that 3 or 4 of 32 rows are trained on and gradients
are noisier. And there are as many updates as for every method: the same number of rows passes through the model, but
only a tenth of them is trained on.
exp(score) is the weight of `dimp`: RHO selects the rows to which DIMP gives the largest weights, and `dimp` is its soft
form.
Cost: 1, because one pass gives both the scores and the gradient, with the checker's scores available. Needs: P'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import QUALITY, Batch, RealUse, WeightConfig, WeightMethod, lowest, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RHOConfig(WeightConfig):
    share: float = setting(0.1, search=(0.05, 0.8), log=True, note="part of a batch that is trained on; 1 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")


@register("rho")
class RHO(WeightMethod):
    """Cross-entropy on the top of each batch by reducible loss."""

    Config = RHOConfig
    config: RHOConfig
    requires = (QUALITY,)
    real_use = RealUse.CHECKER

    def weights(self, batch: Batch) -> Tensor:
        """(B,) B / k for the selected rows, else 0."""
        reducible = batch.quality_logp.detach() - batch.logp.detach()
        chosen = lowest(-reducible, self.config.share).to(reducible.dtype)
        return chosen / chosen.mean()
