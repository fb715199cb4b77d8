"""Symmetric cross-entropy: cross-entropy plus reverse cross-entropy, in which prediction and label are exchanged.

    loss = mean_i  alpha * -log p + beta * -A (1 - p),  p = p(y_i | x_i)        A = log(floor)
    effective weight    alpha - beta A p

The reverse term is -sum_c p_c log y_c over the one-hot label y, with `floor` in place of its zeros; the sum reduces to
-A (1 - p). It is bounded, so the effect of a wrong label is limited; alpha keeps the effect of a right label.
Source: Wang, Ma, Chen, Luo, Yi and Bailey, "Symmetric Cross Entropy for Robust Learning with Noisy Labels", ICCV 2019,
and the authors' code for floor 1e-4 (A = -9.2). Defaults: alpha 0.1 and beta 1, theirs for their data set of ten
classes. Both depend on the data, by a factor of 60: alpha 6 and beta 0.1 are theirs for a hundred classes. Tune both.
Weights reach alpha + 9.2 beta, so gradients are clipped more often than with cross-entropy.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, MethodConfig, PointwiseLoss, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SCEConfig(MethodConfig):
    alpha: float = setting(0.1, search=(0.05, 6.0), log=True, note="factor on CE; 0.1 (CIFAR-10), 6 (CIFAR-100)")
    beta: float = setting(1.0, search=(0.05, 2.0), log=True, note="factor on the reverse term; 1 and 0.1 there")
    floor: float = setting(1e-4, note="what the label's zeros are replaced by; 1e-4 in the authors' code")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            if not 0 <= value <= 1e3:
                raise ValueError(f"{name} must lie in [0, 1000], not {value}")
        if self.alpha == self.beta == 0:
            raise ValueError("alpha or beta must be larger than 0, not both 0.0")
        if not 1e-30 <= self.floor < 1:
            raise ValueError(f"floor must lie in [1e-30, 1), not {self.floor}")


@register("sce")
class SCE(PointwiseLoss):
    """Cross-entropy plus reverse cross-entropy.

    Fails: By its formula, a row that the model does not fit weighs 0.1 and a fitted one 9.3 at the defaults, so hard
    rows are hardly learnt; the defaults are for one data set of ten classes. In our results no gain over `ce` is shown
    on `twitter` or `financial`.
    """

    Config = SCEConfig
    config: SCEConfig

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) symmetric cross-entropy."""
        import torch

        log_zero = math.log(self.config.floor)
        return -self.config.alpha * logp + self.config.beta * log_zero * torch.expm1(logp)
