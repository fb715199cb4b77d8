"""Self-paced learning: train on rows whose loss is below a threshold, which grows until all rows count.

    loss = mean_i  v_i l_i,  l_i = -log p(y_i | x_i)        v detached
    hard      v_i = 1 if l_i < lam_t else 0
    linear    v_i = max(0, 1 - l_i / lam_t)

    lam=none    lam_t is the smallest loss outside the s_t easiest rows of the batch (rounded up; ties are in); this
                share rises evenly from `first` to 1 over the first `grow` of the updates; then every v is 1
    lam=x       lam_t = x * factor^r in round r = 0, ..., 9 of the updates, in equal parts

Source: Kumar, Packer and Koller, "Self-Paced Learning for Latent Variable Models", NeurIPS 2010 (hard; their K is
1 / lam); linear is from Jiang et al., "Easy Samples First", ACM Multimedia 2014. Defaults: about half of the rows
count at first and the threshold grows by 1.3 per round, as in the source. There, rounds are fits to convergence with
losses over all rows; here they are shares of the updates, and losses are those of the update's own pass (dropout on).
`grow` is ours. A share of the batch does not depend on the scale of losses, hence the default. With a fixed threshold a
batch may have no row below it; its update is then momentum alone. Labels are ignored: while the model prefers some
class, most of the easiest rows belong to that class. There is no state: a threshold depends only on the update and its
batch.
Cost: 1. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import Batch, Context, WeightConfig, WeightMethod, lowest, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

ROUNDS = 10


@dataclass(frozen=True)
class SelfPacedConfig(WeightConfig):
    kind: Literal["hard", "linear"] = setting(
        "hard", search=("hard", "linear"), note="0 or 1 as in Kumar 2010, or falling with the loss as in Jiang 2014"
    )
    first: float = setting(0.5, search=(0.2, 0.8), note="share of a batch that counts at first; half in Kumar 2010")
    grow: float = setting(0.5, search=(0.1, 1.0), note="share of the updates after which all rows count; ours")
    lam: float | None = setting(
        None, search=(0.2, 5.0), log=True, note="loss threshold at first; large is CE; none: by shares of the batch"
    )
    factor: float = setting(1.3, search=(1.0, 2.0), note="growth of lam per tenth of the updates; 1.3 in Kumar 2010")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.first <= 1:
            raise ValueError(f"first must lie in (0, 1], not {self.first}")
        if not 0 < self.grow <= 1:
            raise ValueError(f"grow must lie in (0, 1], not {self.grow}")
        if self.lam is not None and not 0 < self.lam <= 1e9:
            raise ValueError(f"lam must lie in (0, 1e9], not {self.lam}")
        if not 1 <= self.factor <= 100:
            raise ValueError(f"factor must lie in [1, 100], not {self.factor}")


@register("self-paced")
class SelfPaced(WeightMethod):
    """Cross-entropy on easy rows first, on all rows later.

    Fails: By its formula, a model that prefers some class finds the rows of that class easy, and after half of the
    updates wrong labels count like all others. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = SelfPacedConfig
    config: SelfPacedConfig

    def start(self, context: Context) -> None:
        """Store the number of updates, which the schedule needs."""
        self.updates = context.updates

    def weights(self, batch: Batch) -> Tensor:
        """(B,) 0 or 1 (hard), or between 0 and 1 (linear)."""
        loss = -batch.logp.detach()
        threshold = self.threshold(loss, batch.step)
        if self.config.kind == "hard":
            return (loss < threshold).to(loss.dtype)
        return (1 - loss / threshold).clamp(min=0)

    def threshold(self, loss: Tensor, step: int) -> Tensor:
        """() the threshold lam_t of an update; infinite once every row counts."""
        if self.config.lam is not None:
            return loss.new_tensor(self.config.lam * self.config.factor ** (ROUNDS * step // self.updates))
        progress = min(1.0, step / (self.config.grow * self.updates))
        easiest = lowest(loss, self.config.first + (1 - self.config.first) * progress)
        return loss.masked_fill(easiest, math.inf).min()
