"""Importance weighting towards the real distribution: IMP-Loss, DIMP-Loss, and the ablation without a denominator.

    loss = mean_i  w_i * -log p(y_i | x_i)        w detached, plain batch mean
    imp            w_i = (P'(y_i | x_i) / Q'(y_i | x_i)) ^ gamma        static
    dimp           w_i = (P'(y_i | x_i) / p(y_i | x_i)) ^ gamma         changes with the model p being trained
    quality-only   w_i = P'(y_i | x_i) ^ gamma                          static

P' is the quality checker (fitted on the small real set), Q' the diversity checker (fitted on the generated set).
Source: Kuo et al., "Not All LLM-Generated Data Are Equal", ICLR 2025 (IMP in its section 3, DIMP in its section 4,
quality-only as the ablation "without diversity checker"), and the authors' released code, whose behaviour is the
default: gamma 1 (an exponent of the code, not in the paper's formulas; 0 is cross-entropy), no normalisation, no
clipping. The code divides probabilities. Here it is a difference of logs, so that a vanishing p gives a large weight
instead of 0/0. These options are ours; each is off by default:

    clip=20                  the largest weight; without it weights can reach thousands, where the model is sure of
                             another label. One bound is always on: a log-weight is cut to [-40, 40], a guard against
                             overflow. Weights of e^40 and more, or e^-40 and less, therefore differ from the code's
    normalize=batch          weights divided by their mean over the batch, after clipping. Otherwise the mean weight
                             differs from 1 and changes (K P' at the start of dimp), and with it the step size
    calibrate=True           P' at the temperature that fits the small real set best, out of fold
    oof=True                 imp: Q' of each row by a checker that was not trained on it. A checker that was trained on
                             the row remembers it: Q' goes to 1 and the weight to P'
    eval_denominator=True    dimp: p from a pass in evaluation mode. Dropout alone makes the weights of equal models
                             differ

Cost: 1 with the checkers' scores available; 4/3 with eval_denominator; calibrate and oof each take 5 trainings before.
Needs: P' for all three, Q' for imp.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import (
    DIVERSITY,
    DIVERSITY_OOF,
    QUALITY,
    QUALITY_OOF,
    Batch,
    Context,
    MethodConfig,
    RealUse,
    WeightConfig,
    WeightMethod,
    setting,
)
from methods.calibration import temperature
from methods.hooks import FORWARD, Budget
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImportanceConfig(WeightConfig):
    gamma: float = setting(1.0, search=(0.25, 2.0), log=True, note="1 in the released code; 0 is CE")
    clip: float | None = setting(None, search=(2.0, 50.0), log=True, note="largest weight; none in the released code")
    normalize: Literal["none", "batch"] = setting(
        "none", search=("none", "batch"), note="batch: weights of mean 1 in each batch; none in the released code"
    )
    calibrate: bool = setting(False, note="quality checker at its best temperature on held-out real rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gamma <= 100:
            raise ValueError(f"gamma must lie in [0, 100], not {self.gamma}")
        if self.clip is not None and not 0 < self.clip < inf:
            raise ValueError(f"clip must be larger than 0 and finite, not {self.clip}")


@dataclass(frozen=True)
class IMPConfig(ImportanceConfig):
    oof: bool = setting(False, note="diversity checker of each row fitted without it")


@dataclass(frozen=True)
class DIMPConfig(ImportanceConfig):
    eval_denominator: bool = setting(False, note="the model's probability from a second pass, without dropout")


@register("quality-only")
class QualityOnly(WeightMethod):
    """Cross-entropy weighted by the quality checker alone; base of the other two, which divide by something.

    Fails: By its formula, right labels that the quality checker doubts lose weight, and wrong labels that it shares
    keep theirs. In our results (irony, preset `quick`) it was 15.7 points below `real-only`.
    """

    Config = ImportanceConfig
    config: ImportanceConfig
    groups = ("core", "paper")
    requires: ClassVar[tuple[str, ...]] = (QUALITY,)
    real_use = RealUse.CHECKER

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        assert isinstance(config, ImportanceConfig)
        return (*cls.requires, QUALITY_OOF) if config.calibrate else cls.requires

    def start(self, context: Context) -> None:
        """Fit the quality checker's temperature if `calibrate` is on."""
        self.temperature = temperature(*context.real_scored(QUALITY_OOF)) if self.config.calibrate else 1.0

    def quality(self, batch: Batch) -> Tensor:
        """(B,) log P'(y|x), calibrated if `calibrate` is on."""
        if self.temperature == 1:
            return batch.quality_logp
        scaled = (batch.scores(QUALITY) / self.temperature).log_softmax(1)
        return scaled.gather(1, batch.labels[:, None]).squeeze(1)

    def log_ratio(self, batch: Batch) -> Tensor:
        """(B,) log of the ratio at each example's given label."""
        return self.quality(batch)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) exp(gamma * log ratio), finite for any log-probabilities."""
        weight = self.bounded_exp(self.config.gamma * self.log_ratio(batch), upper=self.config.clip)
        return weight / weight.mean() if self.config.normalize == "batch" else weight


@register("imp")
class IMP(QualityOnly):
    """Cross-entropy weighted by the quality checker over the diversity checker.

    Fails: By its formula, weights have no bound, so a few rows can decide, and they follow an overconfident quality
    checker. In our results with preset `probe` a checker of one pass over the real rows left it 0.6 points below `ce`.
    """

    Config = IMPConfig
    config: IMPConfig
    requires = (QUALITY, DIVERSITY)

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        assert isinstance(config, IMPConfig)
        denominator = DIVERSITY_OOF if config.oof else DIVERSITY
        return tuple(denominator if name == DIVERSITY else name for name in super().requires_of(config))

    def log_ratio(self, batch: Batch) -> Tensor:
        return self.quality(batch) - batch.given(DIVERSITY_OOF if self.config.oof else DIVERSITY)


@register("dimp")
class DIMP(QualityOnly):
    """Cross-entropy weighted by the quality checker over the model itself.

    Fails: By its formula, weights have no bound: where the quality checker likes a label of which the model is unsure,
    one row can outweigh its batch, even if the checker is wrong. In our results (irony, preset `quick`) it was 13.9
    points below `real-only`.
    """

    Config = DIMPConfig
    config: DIMPConfig

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, DIMPConfig)
        return 1 + FORWARD if config.eval_denominator else 1.0

    def log_ratio(self, batch: Batch) -> Tensor:
        # By default the denominator is from the forward pass of the loss, with dropout on, as in the released code.
        return self.quality(batch) - (batch.evaluated() if self.config.eval_denominator else batch.logp.detach())
