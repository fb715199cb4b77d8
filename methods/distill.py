"""Distillation: targets between the given label and the quality checker's distribution.

    loss = mean_i  -sum_c t_ic log p(c | x_i)
    t_ic = alpha 1[c = y_i] + (1 - alpha) P'_T(c | x_i)        P'_T = softmax(log P' / T), T = temperature

P' is the quality checker, fitted on the small real set: a generated text gets the label that real rows suggest.
Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015 (targets of a teacher, mixed with
labels). There the model's logits are divided by T as well; here only the teacher's are, because T serves to calibrate
it. Default: alpha 0.5, temperature 1; ours. alpha = 1 is `ce`. With alpha = 0 the given labels are not read, and the
model learns the checker on generated texts. No effective weight is stored, because the loss reads the whole
distribution.
Cost: 1 with the checker's scores available. Needs: P'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import QUALITY, Batch, Losses, Method, MethodConfig, RealUse, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DistillConfig(MethodConfig):
    alpha: float = setting(0.5, search=(0.0, 1.0), note="weight of the given label; 1 is CE; ours")
    temperature: float = setting(1.0, search=(0.5, 5.0), log=True, note="of the checker; above 1 it is less sure")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}")
        if not 0.01 <= self.temperature <= 100:
            raise ValueError(f"temperature must lie in [0.01, 100], not {self.temperature}")


@register("distill")
class Distill(Method):
    """Cross-entropy with soft labels from the quality checker.

    Fails: By its formula, the model learns the errors that the quality checker makes on generated texts. In our results
    (preset `probe`) the checker's targets alone, before a phase on real rows, were 0.7 points below `real-finetune`.
    """

    Config = DistillConfig
    config: DistillConfig
    requires = (QUALITY,)
    real_use = RealUse.CHECKER

    def losses(self, batch: Batch) -> Losses:
        return Losses(soft_loss(batch, self.config.alpha, self.config.temperature), None)


def soft_loss(batch: Batch, alpha: float, temperature: float) -> Tensor:
    """(B,) cross-entropy with the mixed targets."""
    teacher = (batch.scores(QUALITY).detach() / temperature).log_softmax(1).exp()
    return -alpha * batch.logp - (1 - alpha) * (teacher * batch.log_probs).sum(1)
