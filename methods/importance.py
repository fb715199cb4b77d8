"""Importance weighting towards the real distribution: IMP-Loss, DIMP-Loss and the ablation without a denominator.

    loss = mean_i  w_i * -log p(y_i | x_i)        w detached, plain batch mean
    imp            w_i = (P'(y_i | x_i) / Q'(y_i | x_i)) ^ gamma        static
    dimp           w_i = (P'(y_i | x_i) / p(y_i | x_i)) ^ gamma         moves with the model p being trained
    quality-only   w_i = P'(y_i | x_i) ^ gamma                          static

P' is the quality checker (fitted on the small real set), Q' the diversity checker (fitted on the generated set).
Source: Kuo et al., "Not All LLM-Generated Data Are Equal", ICLR 2025 (IMP in its section 3, DIMP in its section 4,
quality-only as the ablation "without diversity checker"), and the authors' released code, whose behaviour is the
default: gamma 1 (an exponent of the code, not in the paper's formulas; 0 is cross-entropy), no normalisation, no
clipping. `clip` is ours: a weight can reach thousands where the model is sure of another label. The code divides
probabilities, here it is a difference of logs, so that a vanishing p gives a large weight and not 0/0.
Cost: 1 with the checkers' scores at hand. Needs: P' for all three, Q' for imp.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar

from methods.base import DIVERSITY, QUALITY, Batch, RealUse, WeightConfig, WeightMethod, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImportanceConfig(WeightConfig):
    gamma: float = setting(1.0, search=(0.25, 2.0), log=True, note="1 in the released code; 0 is CE")
    clip: float | None = setting(None, search=(2.0, 50.0), log=True, note="largest weight; none in the released code")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must lie in [0, 100], not {self.gamma}")
        if self.clip is not None and not 0 < self.clip < inf:
            raise ValueError(f"clip must be larger than 0 and finite, not {self.clip}")


@register("quality-only")
class QualityOnly(WeightMethod):
    """Quality checker alone; the base of the other two, which divide it by something."""

    Config = ImportanceConfig
    config: ImportanceConfig
    groups = ("core", "paper")
    requires: ClassVar[tuple[str, ...]] = (QUALITY,)
    real_use = RealUse.CHECKER

    def log_ratio(self, batch: Batch) -> Tensor:
        """(B,) log of the ratio for each example's given label."""
        return batch.quality_logp

    def weights(self, batch: Batch) -> Tensor:
        """(B,) exp(gamma * log ratio), finite for any log-probabilities."""
        return self.bounded_exp(self.config.gamma * self.log_ratio(batch), upper=self.config.clip)


@register("imp")
class IMP(QualityOnly):
    """Quality checker over diversity checker."""

    requires = (QUALITY, DIVERSITY)

    def log_ratio(self, batch: Batch) -> Tensor:
        return batch.quality_logp - batch.diversity_logp


@register("dimp")
class DIMP(QualityOnly):
    """Quality checker over the model itself."""

    def log_ratio(self, batch: Batch) -> Tensor:
        # The denominator is from the loss's own forward pass, in training mode (dropout on), as released.
        return batch.quality_logp - batch.logp.detach()
