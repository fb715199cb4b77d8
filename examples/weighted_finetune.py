"""Two methods as a plugin: generated rows first, weighted or with soft labels, and real rows last.

    weighted-finetune    first: w_i * -log p(y_i | x_i) on generated rows; last: cross-entropy on real rows
        weights=dimp     w_i = P'(y_i | x_i) / p(y_i | x_i), as in `dimp`
        weights=quality  w_i = P'(y_i | x_i), as in `quality-only`
        weights=equal    w_i = 1
        prior=True       in each batch the weights of a label are scaled to sum to its share among the real rows, times
                         the batch size: label shares first, then weights within each label
        first=all        real rows are in the first phase too, with plain cross-entropy
    soft-finetune        first: cross-entropy to the targets alpha * label + (1 - alpha) * P'(. | x_i)

P' is the quality checker, p the model itself. These are trials of docs/recommended.md. To run them:

    python -m bench run --plugin examples/weighted_finetune.py --methods real-finetune,weighted-finetune,soft-finetune
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import (
    QUALITY,
    Batch,
    Context,
    Losses,
    MethodConfig,
    RealUse,
    WeightConfig,
    WeightMethod,
    setting,
)
from methods.hooks import Phase
from methods.real_finetune import RealFinetune, RealFinetuneConfig
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WeightedFinetuneConfig(RealFinetuneConfig, WeightConfig):
    weights: Literal["dimp", "quality", "equal"] = setting("dimp", note="of the generated rows")
    prior: bool = setting(False, note="label shares of the real rows first, then weights within each label")
    first: Literal["generated", "all"] = setting("generated", note="rows of the first phase")

    @property
    def mixed(self) -> bool:
        return self.first == "all"


@dataclass(frozen=True)
class SoftFinetuneConfig(RealFinetuneConfig):
    alpha: float = setting(0.5, note="weight of the given label")


@register("weighted-finetune")
class WeightedFinetune(WeightMethod, RealFinetune):
    """Weighted generated rows, then real rows."""

    Config: ClassVar[type[RealFinetuneConfig]] = WeightedFinetuneConfig
    config: WeightedFinetuneConfig
    requires: ClassVar[tuple[str, ...]] = (QUALITY,)
    real_use = RealUse.CHECKER

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        """The label shares of the real rows are given to a method that declares their use."""
        assert isinstance(config, WeightedFinetuneConfig)
        return RealUse.PRIOR if config.prior else cls.real_use

    def start(self, context: Context) -> None:
        self.shares = context.real_prior

    def phases(self, updates: int) -> Sequence[Phase]:
        first, *last = super().phases(updates)
        return (replace(first, rows=self.config.first), *last) if last else (first,)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights of the generated rows."""
        log_weight = {
            "dimp": batch.quality_logp - batch.logp.detach(),
            "quality": batch.quality_logp,
            "equal": 0 * batch.quality_logp,
        }[self.config.weights]
        weight = self.bounded_exp(log_weight)
        if not self.config.prior or self.shares is None:
            return weight
        share = weight.new_tensor(self.shares)
        total = weight.new_zeros(len(share)).index_add(0, batch.labels, weight)
        return len(weight) * (share / total.clamp(min=1e-12))[batch.labels] * weight


@register("soft-finetune")
class SoftFinetune(RealFinetune):
    """Soft labels from the quality checker on generated rows, then real rows."""

    Config = SoftFinetuneConfig
    config: SoftFinetuneConfig
    requires: ClassVar[tuple[str, ...]] = (QUALITY,)
    real_use = RealUse.CHECKER

    def losses(self, batch: Batch) -> Losses:
        soft = -(batch.scores(QUALITY).exp() * batch.log_probs).sum(1)
        return Losses(-self.config.alpha * batch.logp + (1 - self.config.alpha) * soft, None)
