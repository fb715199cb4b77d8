"""FuseGen's self-boosting: train, weight the rows by how well the model fits them, train again from the start.

    w_i <- w_i * beta ^ (-e_i)  if the model gets row i wrong, else w_i        then scaled to mean 1
    e_i = 1 - p(y_i | x_i), dropout off        beta = 1 + sqrt(2 ln(n / rounds))
    loss = mean_i  w_i * -log p(y_i | x_i)        of the last of `rounds` + 1 trainings, w = 1 in the first

Rows that models get wrong again and again lose weight, contrary to AdaBoost: with generated labels, a row that does not
fit is taken for noise. boost=both also raises the weight of rows that are right, by beta ^ e_i.
Source: Zou et al., "FuseGen: PLM Fusion for Data-generation based Zero-shot Learning", EMNLP 2024, its self-boosting
weight adjustment for one generator; the rest of the method is about generating data. Default: boost=errors. The source
trains 30 times; `rounds` 2 is ours, to keep the cost close to that of other methods.
Cost: rounds * (1 + a pass of the encoder over the rows) + 1 (3.4 in preset quick). Needs: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import Batch, Context, MethodConfig, WeightConfig, WeightMethod, setting
from methods.hooks import FORWARD, Budget, Phase, Probe
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FuseGenConfig(WeightConfig):
    boost: Literal["errors", "both"] = setting("errors", search=("errors", "both"), note="which rows change weight")
    rounds: int = setting(2, search=(1, 4), note="trainings that weights come from; 30 in the source; 0 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rounds <= 100:
            raise ValueError(f"rounds must lie in [0, 100], not {self.rounds}")


@register("fusegen")
class FuseGen(WeightMethod):
    """Cross-entropy in which rows that model after model gets wrong count less.

    Fails: By its formula, hard rows with right labels lose weight like wrong ones, and errors that the trainings
    themselves repeat lose none. In our results with preset `probe` it was worse than `ce` on `twitter`.
    """

    Config = FuseGenConfig
    config: FuseGenConfig

    def start(self, context: Context) -> None:
        """Set every weight to 1."""
        import torch

        self.weight = context.per_row(1.0)
        self.ids = torch.zeros(0, dtype=torch.int64) if context.ids is None else torch.from_numpy(context.ids)
        self.labels = None if context.labels is None else torch.from_numpy(context.labels)
        self.round = 0
        self.next = self.weight

    @property
    def rounds(self) -> int:
        """Trainings that weights come from; 0 if there are no generated rows to weight."""
        return 0 if self.config.train_on == "real" else self.config.rounds

    def phases(self, updates: int) -> Sequence[Phase]:
        return tuple(Phase(updates, anew=number > 0) for number in range(self.rounds + 1))

    def refreshes(self, updates: int) -> Collection[int]:
        return (updates - 1,) if self.round < self.rounds else ()

    def refresh(self, ids: Tensor, log_probs: Tensor) -> None:
        """Compute the weights of the next training from this one's predictions before its last update."""
        assert self.labels is not None, "rows have labels"
        labels = self.weight.new_zeros(len(self.weight), dtype=self.labels.dtype).index_copy(0, self.ids, self.labels)
        given = labels[ids].to(log_probs.device)
        error = 1 - log_probs.gather(1, given[:, None]).squeeze(1).exp()
        wrong = log_probs.argmax(1) != given
        log_beta = math.log1p(math.sqrt(2 * max(0.0, math.log(len(ids) / self.rounds))))
        change = -error * wrong if self.config.boost == "errors" else error * (1 - 2 * wrong.to(error))
        grown = self.weight[ids] * (log_beta * change).exp().to(self.weight)
        self.next = self.weight.index_copy(0, ids, grown / grown.mean())

    def phase_end(self, number: int, probe: Probe) -> None:
        self.round, self.weight = number + 1, self.next

    def weights(self, batch: Batch) -> Tensor:
        """(B,) the weights of the present training."""
        return self.weight[batch.ids.cpu()].to(batch.logp)

    @classmethod
    def declared_cost(cls, config: MethodConfig, budget: Budget) -> float:
        assert isinstance(config, FuseGenConfig)
        return 1 + config.rounds * (1 + budget.share(FORWARD * budget.generated))
