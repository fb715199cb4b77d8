"""Learning to reweight examples: weights by how well a row's gradient agrees with that of real rows.

    loss = sum_i  w_i * -log p(y_i | x_i)        w_i = max(u_i, 0) / sum_j max(u_j, 0), all 0 if no u_j is positive
    u_i = -d L_real(theta - a sum_j e_j grad l_j(theta)) / d e_i  at e = 0  =  a <grad l_i(theta), grad L_real(theta)>

u looks one step of plain SGD ahead; its step size a cancels. No second-order graph is needed: the inner products of all
rows of a batch are one derivative of their losses along grad L_real.
Source: Ren, Zeng, Yang and Urtasun, "Learning to Reweight Examples for Robust Deep Learning", ICML 2018. Defaults: as
many real rows as rows in a batch (100 and 100 there), drawn anew for every update; weights sum to 1 and the losses are
summed (stored weights are those on a batch mean: B w). Here gradients are taken with dropout off, and the update itself
is the harness's AdamW. About half of a batch gets weight 0.
While a model has learnt little, the gradients of a class's rows hardly differ, and real rows disagree with the model
about the class that it underrates. Then all the weight is on one class, and soon after on the other. A short training
can end where it began (tweets, preset quick: accuracy 50 % on one of three seeds, 71 % on the others).
Cost: 1 + 2/3 for the derivative + the real rows. Needs: gradients on the small real set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, MethodConfig, RealUse, WeightConfig, WeightMethod, setting
from methods.hooks import SLOPES, Budget, some_real
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class L2RWConfig(WeightConfig):
    real_rows: int | None = setting(
        32,
        search=(16, 128),
        log=True,
        note="real rows per update, drawn anew; none: all; a batch of them in Ren 2018 and Shu 2019, all in Hu 2019",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.real_rows is not None and self.real_rows < 1:
            raise ValueError(f"real_rows must be larger than 0, not {self.real_rows}")

    def looked_at(self, budget: Budget) -> int:
        """The number of real rows of one look-ahead."""
        return budget.real if self.real_rows is None else min(self.real_rows, budget.real)


@register("l2rw")
class L2RW(WeightMethod):
    """Cross-entropy weighted by agreement with the gradient of real rows.

    Fails: By its formula, about half of each batch has weight 0; while the model has learnt little, that is one class,
    then the other. In our results (`twitter`, preset `quick`) one training of three ended at chance.
    """

    Config = L2RWConfig
    config: L2RWConfig
    real_use = RealUse.GRADIENT

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights of mean 1, about half of them 0; or all 0."""
        probe = batch.probe
        real = probe.gradient(some_real(probe, self.config.real_rows, batch.rng), real=True)
        agreement = probe.slopes(batch.ids, real).clamp(min=0).to(batch.logp)
        total = agreement.sum()
        return agreement * (len(agreement) / total if total > 0 else 0.0)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, L2RWConfig)
        return 1 + SLOPES + config.looked_at(budget) / budget.rows
