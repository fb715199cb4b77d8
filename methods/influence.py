"""Influence: keep the generated rows whose gradients point where the loss on real rows falls.

    s_i = <grad l_i, mean_j grad l_j>        l_i of generated row i, l_j of the rows of the small real set
    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / k for the k = share * n rows with the largest s_i, else 0

First the model trains on the generated rows for `warmup` of the updates. s is computed there, in float32 with dropout
off, over all weights that train. Then training starts anew on the chosen rows. A step along row i's gradient lowers the
loss on real rows by s_i times the learning rate.
Source: Pruthi, Liu, Kale and Sundararajan, "Estimating Training Data Influence by Tracing Gradient Descent" (TracIn),
NeurIPS 2020, here with one checkpoint; the form, warm-up, choice, training anew, is that of Xia et al., "LESS:
Selecting Influential Data for Targeted Instruction Tuning", ICML 2024. LESS scales gradients by Adam's moments,
projects them and takes cosines over four checkpoints, and keeps 5 % of the rows. Differences: plain gradients and inner
products, which favour rows with a large loss; share 0.5, because a thousand rows are few; per class, so that label
shares stay (per_class=False ranks all rows together, as both sources do).
Cost: 1 + warmup, and a pass forward and backward over the real rows, and two thirds of one over the generated rows.
Needs: gradients on the small real set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Batch, Context, MethodConfig, RealUse, WeightConfig, WeightMethod, setting
from methods.hooks import SLOPES, Budget, Phase, Probe, some_real
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class InfluenceConfig(WeightConfig):
    share: float = setting(0.5, search=(0.1, 0.9), note="part of the rows that is kept; 0.05 in LESS; 1 is CE")
    warmup: float = setting(0.25, search=(0.1, 0.5), note="updates before the choice, as a part of all; ours")
    per_class: bool = setting(True, search=(True, False), note="the share is of each label's rows; not in the sources")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("share", "warmup"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], not {getattr(self, name)}")


@register("influence")
class Influence(WeightMethod):
    """Cross-entropy on the rows that help most on real rows, by one gradient each.

    Fails: By its formula, rows with a large loss come first or last, and one gradient of few real rows, after a short
    training, decides. In our results no gain over `ce` is shown on `twitter`.
    """

    Config = InfluenceConfig
    config: InfluenceConfig
    real_use = RealUse.GRADIENT

    def start(self, context: Context) -> None:
        """Keep all rows during the warm-up."""
        import numpy as np

        self.weight = context.per_row(1.0)
        self.ids = np.zeros(0, np.int64) if context.ids is None else context.ids
        self.labels = np.zeros(0, np.int64) if context.labels is None else context.labels

    def phases(self, updates: int) -> Sequence[Phase]:
        if self.config.train_on == "real":
            return (Phase(updates),)
        return Phase(max(1, round(self.config.warmup * updates)), rows="generated"), Phase(updates, anew=True)

    def phase_end(self, number: int, probe: Probe) -> None:
        """Choose rows after the warm-up."""
        import numpy as np
        import torch

        if number or not len(self.ids) or self.config.train_on == "real":
            return
        everything = some_real(probe, None, np.random.default_rng(0))
        ids = torch.from_numpy(self.ids)
        score = probe.slopes(ids, probe.gradient(everything, real=True)).double().cpu().numpy()
        groups = self.labels if self.config.per_class else np.zeros_like(self.labels)
        chosen = best(score, groups, self.config.share)
        self.weight[ids] = torch.from_numpy(chosen / chosen.mean()).to(self.weight)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) 1 during the warm-up, then n / k for the chosen rows, else 0."""
        return self.weight[batch.ids.cpu()].to(batch.logp)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, InfluenceConfig)
        return 1 + config.warmup + budget.share(budget.real + SLOPES * budget.generated)


def best(score: Array, groups: Array, share: float) -> Array:
    """(n,) float mask of the rows with the largest scores, the same share of each group, at least one of each."""
    import numpy as np

    chosen = np.zeros(len(score))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        chosen[rows[np.argsort(-score[rows], kind="stable")[: max(1, round(share * len(rows)))]]] = 1
    return chosen
