"""Cross-entropy, and the two references that differ from it only in the rows that are trained on.

    loss = mean_i  -log p(y_i | x_i)        effective weight 1

    ce          generated rows only: what every other method is compared with
    real-only   the small real set only: what the real rows are worth on their own
    ce-mix      both, every row counted once (pooled cross-entropy)

Source: the negative log-likelihood; no paper to follow. Weighting the two sets against each other is alpha-mix (Jain,
Montanari and Sasoglu, NeurIPS 2024: risk (1 - a) mean_real + a mean_generated); it needs no class of its own, it is
`ce(train_on=both,real_share=0.5)`, where `real_share` is 1 - a. With `real_share` equal to the real rows' part of all
rows it is `ce-mix`. None of them has hyper-parameters besides the rows.
Cost: 1 by definition. Needs: nothing; `real-only` and `ce-mix` read the labels of the small real set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Batch, MethodConfig, PointwiseLoss
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


def trained_on(rows: str) -> Any:
    """The field `train_on` with another default and everything else as declared in the base."""
    (inherited,) = (entry for entry in fields(MethodConfig) if entry.name == "train_on")
    return field(default=rows, metadata=inherited.metadata)


@dataclass(frozen=True)
class RealOnlyConfig(MethodConfig):
    train_on: Literal["generated", "both", "real"] = trained_on("real")


@dataclass(frozen=True)
class MixConfig(MethodConfig):
    train_on: Literal["generated", "both", "real"] = trained_on("both")


@register("ce")
class CrossEntropy(PointwiseLoss):
    """Plain cross-entropy on the generated rows."""

    groups: ClassVar[tuple[str, ...]] = ("core", "paper", "references")

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) -log p of the given label."""
        return -logp


@register("real-only")
class RealOnly(CrossEntropy):
    """Plain cross-entropy on the small real set."""

    Config = RealOnlyConfig
    groups = ("core", "references")


@register("ce-mix")
class Mix(CrossEntropy):
    """Plain cross-entropy on generated and real rows pooled."""

    Config = MixConfig
    groups = ("core", "references")
