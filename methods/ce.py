"""Cross-entropy, and the baselines that differ from it only in which rows are trained on and how much they count.

    loss = mean_i  -log p(y_i | x_i)        effective weight 1

    ce          generated rows only: the baseline that every other method is compared with
    real-only   the small real set only: how good the real rows are on their own
    ce-mix      both, every row counted once (pooled cross-entropy)
    alpha-mix   both, weighted: (1 - a) mean over real rows + a mean over generated rows, with real_share = 1 - a

Source: the negative log-likelihood; alpha-mix is from Jain, Montanari and Sasoglu, "Scaling laws for learning with real
and surrogate data", NeurIPS 2024, who choose a on held-out real rows. Default: real_share 0.5, with which neither set
outweighs the other; it should be tuned. If `real_share` equals the real rows' share of all rows, alpha-mix is `ce-mix`;
towards 1 it becomes `real-only`, towards 0 `ce`.
Cost: 1 by definition. Needs: nothing; all but `ce` read the labels of the small real set.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Batch, MethodConfig, PointwiseLoss
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


def redeclared(name: str, default: Any, **metadata: Any) -> Any:
    """A field of `MethodConfig` with another default; the rest of its declaration stays unless given in `metadata`."""
    (inherited,) = (entry for entry in fields(MethodConfig) if entry.name == name)
    return field(default=default, metadata={**inherited.metadata, **metadata})


@dataclass(frozen=True)
class RealOnlyConfig(MethodConfig):
    train_on: Literal["generated", "both", "real"] = redeclared("train_on", "real")


@dataclass(frozen=True)
class MixConfig(MethodConfig):
    train_on: Literal["generated", "both", "real"] = redeclared("train_on", "both")


@dataclass(frozen=True)
class AlphaMixConfig(MixConfig):
    real_share: float | None = redeclared("real_share", 0.5, search=(0.05, 0.95))


@register("ce")
class CrossEntropy(PointwiseLoss):
    """Plain cross-entropy on the generated rows.

    Fails: By its formula, the wrong labels, the label shares and the style of the generated rows are learnt like
    everything else. In our results it stayed below always predicting the most frequent class on `financial`.
    """

    groups: ClassVar[tuple[str, ...]] = ("core", "paper", "references")

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) -log p of the given label."""
        return -logp


@register("real-only")
class RealOnly(CrossEntropy):
    """Plain cross-entropy on the small real set.

    Fails: By its formula, all updates pass over the same few rows, and what only generated rows show is not learnt. In
    our results with 300 real rows its mean accuracy was below that of `real-finetune` on `twitter` and `financial`.
    """

    Config = RealOnlyConfig
    groups = ("core", "references")


@register("ce-mix")
class Mix(CrossEntropy):
    """Plain cross-entropy on generated and real rows together.

    Fails: By its formula, all rows count alike, so many generated rows outweigh few real ones even where they mislead.
    In our results with damaged generated labels (preset `probe`) it fell 6 to 40 points below `real-only`.
    """

    Config = MixConfig
    groups = ("core", "references")


@register("alpha-mix")
class AlphaMix(CrossEntropy):
    """Cross-entropy on generated and real rows; the real rows carry a chosen part of the weight.

    Fails: By its formula, generated rows keep their part of the weight even where they mislead, and with few real rows
    each of these counts for many generated ones; a part of one half is a guess. In our results no failure is shown: on
    irony (preset `quick`) it was 1.7 points above `real-only`.
    """

    Config = AlphaMixConfig
    groups = ()
