"""Meta-Weight-Net: a small network maps a row's loss to its weight, and learns from the weights' effect on real rows.

    loss = mean_i  V(l_i; phi) * l_i        l_i = -log p(y_i | x_i), V detached
    V: 1 - hidden - 1, ReLU, sigmoid
    theta' = theta - a grad mean_i V(l_i; phi) l_i(theta)        a virtual step of plain SGD
    phi  <-  Adam on L_real(theta')        d L_real(theta') / d V_i = -a/B <grad l_i(theta), grad L_real(theta')>

The inner products of all rows are one derivative of their losses along grad L_real(theta'): exact, and without a
second-order graph. Only V's own few weights are differentiated through. The update uses V after its step.
Source: Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", NeurIPS 2019, and the released
code, whose defaults these are: 100 hidden units, Adam with 1e-3 and weight decay 1e-4, virtual steps with the rate of
its SGD, 0.1 at first (there it falls with it, here it stays); no normalisation, so weights are always below 1. Here the
update itself is the harness's AdamW, and gradients of the look-ahead are taken with dropout off. V takes one step of
Adam per update. All weights are near 1/2 at first, and 32 steps in one direction move the weight of a loss of 2 to
about 0.15; raise meta_lr for a short training.
Cost: 1 + 1 for the virtual step + 2/3 for the derivative + the real rows. Needs: gradients on the small real set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from methods.base import Batch, Context, MethodConfig, RealUse, WeightMethod, setting
from methods.hooks import SLOPES, Budget, some_real
from methods.l2rw import L2RWConfig
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class MetaWeightNetConfig(L2RWConfig):
    hidden: int = setting(100, note="hidden units; 100 in the released code")
    meta_lr: float = setting(1e-3, search=(1e-4, 1e-1), log=True, note="Adam's rate for the weights of V; 1e-3 there")
    inner_lr: float = setting(0.1, search=(1e-3, 1.0), log=True, note="of the virtual step; 0.1, their SGD's, there")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("hidden", "meta_lr", "inner_lr"):
            if not 0 < getattr(self, name) <= 1e5:
                raise ValueError(f"{name} must lie in (0, 1e5], not {getattr(self, name)}")


@register("meta-weight-net")
class MetaWeightNet(WeightMethod):
    """Cross-entropy with weights from a learnt mapping of the loss.

    Fails: By its formula, rows of equal loss weigh alike, hard ones like wrong ones, and after few updates all weights
    are still near 1/2. In our results (preset `quick`) it was equivalent to `ce` on `twitter`.
    """

    Config = MetaWeightNetConfig
    config: MetaWeightNetConfig
    real_use = RealUse.GRADIENT

    def start(self, context: Context) -> None:
        """Create the network, in double precision, which is cheap because it is tiny."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            hidden = torch.nn.Linear(1, self.config.hidden), torch.nn.ReLU()
            layers = *hidden, torch.nn.Linear(self.config.hidden, 1), torch.nn.Sigmoid()
        self.net = torch.nn.Sequential(*layers).double()
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.config.meta_lr, weight_decay=1e-4)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights between 0 and 1."""
        import torch

        loss = -batch.logp.detach()[:, None].double()
        self.net.to(loss.device)
        with torch.enable_grad():
            weight = self.net(loss).squeeze(1)
            self.optimizer.zero_grad()
            (weight * self.effect(batch, weight.detach())).sum().backward()
            self.optimizer.step()
        refreshed: Tensor = self.net(loss).squeeze(1).detach()
        return refreshed.to(batch.logp)

    def effect(self, batch: Batch, weight: Tensor) -> Tensor:
        """(B,) derivative of the real rows' loss after the virtual step, with respect to each weight (B,)."""
        probe, rate = batch.probe, self.config.inner_lr
        step = [-rate * slope for slope in probe.gradient(batch.ids, weights=weight)]
        real = some_real(probe, self.config.real_rows, batch.rng)
        ahead = probe.gradient(real, real=True, shift=step)
        return -rate / len(weight) * probe.slopes(batch.ids, ahead).to(weight)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, MetaWeightNetConfig)
        return 2 + SLOPES + config.looked_at(budget) / budget.rows
