"""Bootstrapping: cross-entropy to a mixture of the given label and the model's own prediction.

    soft    loss = mean_i  -sum_c [beta y_ic + (1 - beta) p_ic] log p_ic
    hard    loss = mean_i  -beta log p(y_i | x_i) - (1 - beta) log max_c p_ic

y is the one-hot label. The gradient of `soft` also flows through p in the target, which adds the entropy of the
prediction as a regulariser; with a detached target it would be another method. Neither loss is a function of
p(y_i | x_i) alone, so no effective weight is stored.
Source: Reed, Lee, Anguelov, Szegedy, Erhan and Rabinovich, "Training Deep Neural Networks on Noisy Labels with
Bootstrapping", ICLR 2015 workshop. Defaults: beta 0.95 for soft and 0.8 for hard, as in the source. `warmup` is ours
and off by default: in the first updates the model's own prediction is no better than chance, and a share of updates
with beta = 1 helps.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from methods.base import Batch, Context, Losses, Method, MethodConfig, setting
from methods.registry import register

BETA = {"soft": 0.95, "hard": 0.8}  # of the source


@dataclass(frozen=True)
class BootstrapConfig(MethodConfig):
    kind: Literal["soft", "hard"] = setting(
        "soft", search=("soft", "hard"), note="mix in the predicted distribution, or the predicted class"
    )
    beta: float | None = setting(
        None, search=(0.5, 1.0), note="part of the given label; 1 is CE; none: 0.95 for soft, 0.8 for hard (Reed 2015)"
    )
    warmup: float = setting(0.0, search=(0.0, 0.5), note="share of the updates with beta = 1 at first; ours")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta is not None and not 0 <= self.beta <= 1:
            raise ValueError(f"beta must lie in [0, 1], not {self.beta}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup must lie in [0, 1], not {self.warmup}")


@register("bootstrap")
class Bootstrap(Method):
    """Cross-entropy to the given label mixed with the model's own prediction.

    Fails: By its formula, the model's own prediction corrects a label only once it is good, and at the default it is a
    twentieth of the target. In our results (preset `quick`) it was equivalent to `ce` on `twitter` and `financial`.
    """

    Config = BootstrapConfig
    config: BootstrapConfig

    def start(self, context: Context) -> None:
        """Find the first update that mixes in the model's prediction."""
        self.first_mixed = math.ceil(self.config.warmup * context.updates)

    def losses(self, batch: Batch) -> Losses:
        if batch.step < self.first_mixed:
            beta = 1.0
        else:
            beta = BETA[self.config.kind] if self.config.beta is None else self.config.beta
        log_probs = batch.log_probs
        own = (log_probs.exp() * log_probs).sum(1) if self.config.kind == "soft" else log_probs.amax(1)
        return Losses(-beta * batch.logp - (1 - beta) * own, None)
