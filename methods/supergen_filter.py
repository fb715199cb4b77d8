"""SuperGen's training: temporal ensembling, and a filter that keeps the rows on whose labels the ensemble agrees.

    loss = mean over the selected rows of  LS(x_i, y_i) + c_t KL(e_i || p(.|x_i))
    e_i  <- m e_i + (1 - m) p(.|x_i)  at each refresh, dropout off; read as e_i / (1 - m^t) after t refreshes
    selected: y_i is the most likely class under e_i, with probability above `threshold`; in a class with fewer than 16
              such rows, also those above its median. Before the first refresh: all rows
    c_t = weight * exp(-5 (1 - min(1, t / 10))^2), 0 before the first refresh;  LS: smoothed cross-entropy

Source: Meng, Huang, Zhang and Han, "Generating Training Data with Language Models: Towards Zero-Shot Language
Understanding" (SuperGen), NeurIPS 2022, and the released code, whose defaults these are: smoothing 0.15, m 0.8,
threshold 0.8, weight 10, full strength after 10 refreshes. There a refresh comes every 100 updates of some thousand.
Here 10 refreshes are evenly spread over the updates, and batches lose the rows that are not selected instead of being
filled up; the sum of a batch's losses is divided by the share of rows that is selected. In a training of few updates
the early passes are unsure. Then the filter selects the half of each class that the model learnt first, and the
ensemble's term keeps the model as it was then, less sure than after cross-entropy. No effective weight is stored,
because the loss reads the whole distribution. With refreshes=0 and smoothing=0 it is `ce`.
Cost: at most 1 + a third of `refreshes` passes over the generated rows; less as rows are dropped. Needs: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import Batch, Context, Losses, Method, MethodConfig, setting
from methods.hooks import FORWARD, Budget
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FEW = 16  # with fewer selected rows of a class, half of the class is selected
RAMP = 10  # refreshes until the ensemble's term has its full weight


@dataclass(frozen=True)
class SuperGenConfig(MethodConfig):
    smoothing: float = setting(0.15, search=(0.0, 0.3), note="of the labels; 0.15 in SuperGen")
    momentum: float = setting(0.8, search=(0.5, 0.95), note="of the ensemble; 0.8 in SuperGen, 0.9 in FewGen")
    threshold: float = setting(0.8, search=(0.5, 0.95), note="probability above which a row is kept; 0.8 there")
    weight: float = setting(10.0, search=(1.0, 20.0), log=True, note="of the ensemble's term; 10 there, 20 in FewGen")
    refreshes: int = setting(10, search=(2, 20), note="passes over the generated rows, evenly spread; 0: no ensemble")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("smoothing", "momentum", "threshold"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"weight must lie in [0, inf), not {self.weight}")
        if not 0 <= self.refreshes <= 1000:
            raise ValueError(f"refreshes must lie in [0, 1000], not {self.refreshes}")


@register("supergen-filter")
class SuperGenFilter(Method):
    """Smoothed cross-entropy on rows whose label an ensemble over time agrees with.

    Fails: By its formula, the ensemble of a short training is unsure: half of each class is kept, and the model is held
    near its early predictions. In our results (preset `quick`) it was worse than `ce` on `twitter`.
    """

    Config = SuperGenConfig
    config: SuperGenConfig
    pairing = "partial"

    def start(self, context: Context) -> None:
        """Start without an ensemble, with every row selected."""
        import torch

        self.kept = context.per_row(1.0) > 0
        self.ensemble = torch.zeros(len(self.kept), context.n_classes)
        self.labels = torch.zeros(len(self.kept), dtype=torch.int64)
        if context.ids is not None and context.labels is not None:
            self.labels[torch.from_numpy(context.ids)] = torch.from_numpy(context.labels)
        self.count, self.share = 0, 1.0

    def refreshes(self, updates: int) -> Collection[int]:
        """Updates spread evenly over the training, without the first."""
        count = self.config.refreshes
        return {round(updates * number / (count + 1)) for number in range(1, count + 1)} - {0}

    def refresh(self, ids: Tensor, log_probs: Tensor) -> None:
        """Add a pass to the ensemble, and select rows by it."""
        momentum = self.config.momentum
        self.count += 1
        self.ensemble[ids] = momentum * self.ensemble[ids] + (1 - momentum) * log_probs.exp()
        probs, labels = self.averaged(ids), self.labels[ids]
        own = probs.gather(1, labels[:, None]).squeeze(1)
        kept = (probs.argmax(1) == labels) & (own > self.config.threshold)
        for label in labels.unique():
            members = labels == label
            if int((kept & members).sum()) < FEW:
                kept |= members & (own > own[members].median())
        self.kept[ids] = kept
        self.share = float(kept.float().mean())

    def averaged(self, ids: Tensor) -> Tensor:
        """(n, C) the ensemble's probabilities, corrected for its start at 0."""
        return self.ensemble[ids] / (1 - self.config.momentum**self.count)

    def keep(
        self, ids: np.ndarray[Any, Any], step: int, epoch: int, rng: np.random.Generator
    ) -> np.ndarray[Any, Any] | None:
        """(B,) mask of the selected rows. A batch without any passes whole, and its losses are 0."""
        kept: np.ndarray[Any, Any] = self.kept[ids].numpy()
        return kept if kept.any() else None

    def losses(self, batch: Batch) -> Losses:
        import torch

        epsilon, ids = self.config.smoothing, batch.ids.cpu()
        loss = -(1 - epsilon) * batch.logp - epsilon * batch.log_probs.mean(1)
        if self.count:
            ramp = math.exp(-5 * (1 - min(1.0, self.count / RAMP)) ** 2)
            target = self.averaged(ids).to(batch.log_probs)
            divergence = torch.nn.functional.kl_div(batch.log_probs, target, reduction="none").sum(1)
            loss = loss + self.config.weight * ramp * divergence
        kept = self.kept[ids].to(loss)
        return Losses(loss * kept / max(self.share, 1e-9), None)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, SuperGenConfig)
        return 1 + FORWARD * budget.share(config.refreshes * budget.generated)
