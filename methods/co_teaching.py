"""Co-teaching: two networks, each trained on the rows that the other one finds easy.

    loss = mean over the chosen rows of -log p(y_i | x_i)        for each network
    chosen: the share 1 - r_t of a batch with the smallest loss in the other network (rounded up; ties are in)
    r_t = rate * min(1, t / (ramp T)) at update t of T

A wrong label is hard for both networks, but for different reasons, so each filters the errors of the other.
Source: Han et al., "Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels", NeurIPS 2018.
Defaults: rate 0.2, as in the released code. There it is the share of wrong labels, which is known; for generated text
nobody knows it. There the rate is reached after 10 of 200 epochs, hence ramp 0.05, with an exponent of 1 (they also try
5 and 15 epochs, and exponents of 0.5 and 2). Ten epochs teach a network the easy rows, but 0.05 of a short training (2
updates in preset quick) does not: there a larger ramp is closer to the source's purpose. The released code divides a
mean by the number of chosen rows once more; this file does not. The networks differ in their heads and in dropout,
because an encoder starts from the same pretrained weights both times. The first network is evaluated; both networks'
weights are stored. The chosen rows share the weight of the batch (B / chosen each).
Cost: 2. Needs: memory for a second set of the trained weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, Context, Losses, WeightConfig, WeightMethod, lowest, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CoTeachingConfig(WeightConfig):
    rate: float = setting(0.2, search=(0.05, 0.5), note="share of rows that is left out; the known noise in Han 2018")
    ramp: float = setting(
        0.05, search=(0.05, 1.0), note="part of the updates in which the share grows; 10 of 200 there"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise ValueError(f"rate must lie in [0, 1), not {self.rate}")
        if not 0 < self.ramp <= 1:
            raise ValueError(f"ramp must lie in (0, 1], not {self.ramp}")


@register("co-teaching")
class CoTeaching(WeightMethod):
    """Two networks; each chooses the rows that the other trains on.

    Fails: By its formula, rows with a large loss are left out, hard ones like wrong ones, and in a short training this
    begins before the networks have learnt anything. In our results with preset `probe` it was worse than `ce` on
    `twitter` and `financial`.
    """

    Config = CoTeachingConfig
    config: CoTeachingConfig
    networks = 2

    def start(self, context: Context) -> None:
        """Store the number of updates, of which the ramp is a part."""
        self.updates = context.updates

    def weights(self, batch: Batch) -> Tensor:
        """(B,) B / k for the k rows that this network finds easy, else 0. The other network trains with them."""
        rate = self.config.rate * min(1.0, batch.step / (self.config.ramp * self.updates))
        chosen = lowest(-batch.logp.detach(), 1 - rate).to(batch.logp.dtype)
        return chosen / chosen.mean()

    def joint(self, batches: Sequence[Batch]) -> Sequence[Losses]:
        taught = [self.weights(batch) for batch in batches]
        return [self.weighted(batch, weight) for batch, weight in zip(batches, reversed(taught), strict=True)]
