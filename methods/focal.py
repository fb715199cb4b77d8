"""Focal loss: examples that the model already fits count less.

    loss = mean_i  -(1 - p)^gamma log p,  p = p(y_i | x_i)        softmax form, no class weights alpha
    effective weight    (1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p
    with detach=true    (1 - p)^gamma

Source: Lin, Goyal, Girshick, He and Dollar, ICCV 2017, their loss before alpha is added (Eq. 4), with the softmax
probability of the given label in place of their sigmoid. Default: gamma 2 and the full gradient, as in the source and
in later work; gamma 0 is cross-entropy. The authors of DIMP-Loss (Kuo et al., ICLR 2025) compare with another variant:
their released code defaults to gamma 1 and stops the gradient through the factor: `focal(gamma=1,detach=True)`.
Wrong labels do harm here: the model fits a mislabelled example badly, so its weight goes up.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, MethodConfig, PointwiseLoss, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FocalConfig(MethodConfig):
    gamma: float = setting(2.0, search=(0.5, 5.0), log=True, note="2 in Lin 2017; 1 in the code of DIMP; 0 is CE")
    detach: bool = setting(False, note="stop the gradient through (1-p)^gamma: false in Lin 2017, true in DIMP's code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must lie in [0, 100], not {self.gamma}")


@register("focal")
class Focal(PointwiseLoss):
    """Cross-entropy times (1 - p)^gamma.

    Fails: By its formula, wrong labels gain weight beside rows that the model fits. In our results no gain over `ce` is
    shown on `twitter` or `financial`.
    """

    Config = FocalConfig
    config: FocalConfig
    groups = ("core", "paper")

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) focal loss. Its slope is finite everywhere."""
        import torch

        # For gamma < 1 the slope of the power is infinite at p = 1, where that of the loss is 0; the clamp avoids it.
        missing = (-torch.expm1(logp)).clamp(min=torch.finfo(logp.dtype).tiny)
        factor = missing**self.config.gamma
        return -(factor.detach() if self.config.detach else factor) * logp
