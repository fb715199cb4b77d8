"""SuperLoss: examples with a large loss count less, as in a curriculum that begins with easy ones.

    loss = mean_i  (l - tau) s + lam (log s)^2,  l = -log p(y_i | x_i)
    s(l) = exp(-W(max(-2/e, (l - tau) / lam) / 2))        W: Lambert's function; s is the effective weight, in (0, e]

Source: Castells, Weinzaepfel and Revaud, NeurIPS 2020: the objective, and its minimum over the confidence s in closed
form. s is a constant for the gradient, which is exact: at the minimum the slope through s is 0.
Defaults: tau = log C, the loss of a uniform guess, is the source's fixed choice for classification. According to its
authors a running mean differs little; it would add state and depend on the order of batches. With lam = 1 no example
reaches the bound e for two classes. For three classes those with p > 0.70 do, for four those with p > 0.52; they all
have the same weight, and only the others differ. lam = 1 and decay = 0.9 are what public implementations use for few
classes (lam 0.25 for CIFAR-100). A running mean includes the current batch and starts as its mean.
Values are shifted by tau and may be negative: do not compare them with cross-entropy.
Cost: 1, plus Lambert's function on the CPU. Needs: nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.base import Batch, Context, MethodConfig, PointwiseLoss, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

# scipy returns NaN at the branch point -1/e in float64, so the bound stays just above it (and s just below e).
LOWEST = -2 / math.e * (1 - 1e-12)


@dataclass(frozen=True)
class SuperLossConfig(MethodConfig):
    tau: Literal["log_classes", "ema", "mean"] = setting(
        "log_classes",
        search=("log_classes", "ema", "mean"),
        note="loss at which the weight is 1: log C as in the source, a moving average of batch means, or their mean",
    )
    lam: float = setting(1.0, search=(0.1, 10.0), log=True, note="1 in public implementations; large is CE")
    decay: float = setting(0.9, search=(0.5, 0.99), note="part of the old average kept per batch, for tau=ema")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1e-6 <= self.lam <= 1e9:
            raise ValueError(f"lam must lie in [1e-6, 1e9], not {self.lam}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must lie in [0, 1), not {self.decay}")


@register("superloss")
class SuperLoss(PointwiseLoss):
    """Cross-entropy weighted by a confidence that falls with the loss.

    Fails: By its formula, rows with a large loss count less, hard ones like wrong ones, and wrong labels that the model
    fits early count more. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = SuperLossConfig
    config: SuperLossConfig
    groups = ("core",)

    def start(self, context: Context) -> None:
        """Set tau to log C, and forget the losses so far."""
        self.tau, self.seen = math.log(context.n_classes), 0

    def loss(self, logp: Tensor, batch: Batch) -> Tensor:
        """(B,) SuperLoss. Its slope is -s."""
        from scipy.special import lambertw

        entropy = -logp.detach().double().cpu().numpy()
        if self.config.tau != "log_classes":
            self._follow(float(entropy.mean()), len(entropy))
        scaled: Any = ((entropy - self.tau) / self.config.lam).clip(min=LOWEST)
        log_s = logp.new_tensor(-lambertw(scaled / 2).real)
        return (-logp - self.tau) * log_s.exp() + self.config.lam * log_s**2

    def _follow(self, mean: float, rows: int) -> None:
        """Move tau towards the mean loss of a batch of `rows` rows; the first batch sets it."""
        first = self.seen == 0
        self.seen += rows
        step = rows / self.seen if first or self.config.tau == "mean" else 1 - self.config.decay
        self.tau += step * (mean - self.tau)
