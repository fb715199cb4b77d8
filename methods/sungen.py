"""SunGen: learn weights over several trainings, so that a noise-robust loss on generated rows falls.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = sigmoid(t_i), t_i = 0 at first, in all trainings
    a round: train from the start with the present weights; then one step of Adam on t along
        d L_outer / d t_i  ~  -inner_lr <grad l_i(theta), grad L_outer(theta)> w_i (1 - w_i) / sum_j w_j
    outer=robust    L_outer = mean over rows drawn from the `trusted` share of the generated rows with the largest w
                    of -1/C sum_c p(c|x) log q(c), q = softmax(10 onehot(y)): up to constants 1 - p(y|x). No real rows
    outer=real      L_outer = cross-entropy on rows of the small real set

The gradient is that of one plain step of the weights (theta after training). For all rows it is one derivative of their
losses along grad L_outer. After the rounds the model is trained from the start, like every other, with the learnt
weights.
Source: Gao et al., "Self-Guided Noise-Free Data Generation for Efficient Zero-Shot Learning" (SunGen), ICLR 2023, and
the released code with the options of its README: Adam on t and sigmoid, at a constant rate of 0.25, 100 rounds of one
epoch with a small LSTM; outer=real is its --use_dev_outer. Rows tied with the last trusted one are trusted, so all are
in the first round. inner_lr is the rate of the plain step, 1e-3 as there, where the LSTM trains at the same rate. It
makes gradients so small that Adam's constant 1e-8 matters: a row with almost no signal hardly moves. To bound the cost
there are 5 rounds of half the updates here, at rate 1, so that t can move as far as in 20 of their rounds, and the
outer loss is on 256 rows, drawn anew each round: its gradient is the mean over them, where the source sums over batches
of 32 rows. In preset quick a round is three quarters of a pass, over the same rows each time; length=0.67 is one epoch
there, as in the source. Dropout is off in gradients.
Cost: 1 + per round: half a training, the outer rows, and 2/3 of a pass over the generated rows. Needs: nothing;
outer=real: gradients on the small real set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import Batch, Context, MethodConfig, RealUse, WeightConfig, WeightMethod, setting
from methods.hooks import SLOPES, Budget, Direction, Phase, Probe, some_real
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor

SHARPNESS = 10.0  # of the softened one-hot target


@dataclass(frozen=True)
class SunGenConfig(WeightConfig):
    outer: Literal["robust", "real"] = setting(
        "robust",
        search=("robust", "real"),
        note="loss that the weights serve: noise-robust as in Gao 2023, or real rows",
    )
    rounds: int = setting(5, search=(2, 8), note="trainings that weights are learnt from; 100 in the released code")
    length: float = setting(
        0.5, search=(0.25, 1.0), note="updates of a round, as a part of the cell's; one epoch there"
    )
    outer_lr: float = setting(1.0, search=(0.1, 2.0), log=True, note="Adam's rate for t; 0.25 for 100 rounds there")
    inner_lr: float = setting(1e-3, note="rate of the plain step in the gradient of t; 1e-3 there")
    outer_rows: int = setting(256, search=(64, 512), log=True, note="rows of the outer loss; up to 50000 there")
    trusted: float = setting(
        0.9, search=(0.5, 1.0), note="share that rows of the robust loss are drawn from; 0.9 there"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rounds <= 1000:
            raise ValueError(f"rounds must lie in [0, 1000], not {self.rounds}")
        for name in ("length", "trusted"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in (0, 1], not {getattr(self, name)}")
        for name in ("outer_lr", "inner_lr"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} must lie in (0, 100], not {getattr(self, name)}")
        if self.outer_rows < 1:
            raise ValueError(f"outer_rows must be larger than 0, not {self.outer_rows}")

    @property
    def trained_rounds(self) -> int:
        """Rounds that are trained: none without generated rows, whose weights they learn."""
        return 0 if self.train_on == "real" else self.rounds


@register("sungen")
class SunGen(WeightMethod):
    """Cross-entropy with one weight per row, learnt over several trainings.

    Fails: By its formula, weights without real rows serve the generated labels themselves, so an error that most rows
    share is confirmed. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = SunGenConfig
    config: SunGenConfig
    groups = ("paper",)

    @classmethod
    def own_use_of(cls, config: MethodConfig) -> RealUse:
        assert isinstance(config, SunGenConfig)
        return RealUse.GRADIENT if config.outer == "real" else RealUse.NONE

    def start(self, context: Context) -> None:
        """Set every weight to 1/2."""
        import numpy as np
        import torch

        self.score = context.per_row(0.0).requires_grad_()
        self.optimizer = torch.optim.Adam([self.score], lr=self.config.outer_lr)
        self.ids = torch.from_numpy(np.zeros(0, np.int64) if context.ids is None else context.ids)
        self.rng = np.random.default_rng(context.seed)

    def phases(self, updates: int) -> Sequence[Phase]:
        rounds = self.config.trained_rounds
        inner = Phase(max(1, round(self.config.length * updates)), rows="generated", anew=True)
        return (*[inner] * rounds, Phase(updates, anew=rounds > 0))

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights between 0 and 1."""
        return self.score.detach()[batch.ids.cpu()].sigmoid().to(batch.logp)

    def phase_end(self, number: int, probe: Probe) -> None:
        """Take a step of Adam on the scores t; not after the training that is evaluated."""
        import torch

        if number >= self.config.trained_rounds:
            return
        weight = self.score.detach()[self.ids].sigmoid()
        slopes = probe.slopes(self.ids, self.outer_gradient(probe, weight)).to(weight)
        self.score.grad = torch.zeros_like(self.score)
        self.score.grad[self.ids] = -self.config.inner_lr * slopes * weight * (1 - weight) / weight.sum()
        self.optimizer.step()

    def outer_gradient(self, probe: Probe, weight: Tensor) -> Direction:
        """Gradient of the outer loss; `weight` (n,) are the weights of the rows `ids`."""
        if self.config.outer == "real":
            return probe.gradient(some_real(probe, self.config.outer_rows, self.rng), real=True)
        count = max(1, int(self.config.trusted * len(weight)))
        trusted = self.ids[weight >= weight.topk(count).values[-1]]
        drawn = self.rng.choice(len(trusted), min(len(trusted), self.config.outer_rows), replace=False)
        return probe.gradient(trusted[drawn], loss=robust)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, SunGenConfig)
        outer = min(config.outer_rows, budget.real if config.outer == "real" else budget.generated)
        return 1 + config.trained_rounds * (config.length + budget.share(outer + SLOPES * budget.generated))


def robust(log_probs: Tensor, labels: Tensor) -> Tensor:
    """(n,) -1/C sum_c p_c log q_c with q a softened one-hot label. It is bounded, so wrong labels cannot dominate."""
    import torch

    target = SHARPNESS * torch.nn.functional.one_hot(labels, log_probs.shape[1]).to(log_probs)
    return -(log_probs.exp() * target.log_softmax(1)).mean(1)
