"""Group DRO: the groups of rows with the largest losses count more, as a column of the generated file names them.

    loss = sum_g  q_g * mean over the batch's rows of group g of -log p(y_i | x_i)
    q_g  <- q_g exp(step_size * that mean), scaled to sum 1, at each update; equal at first
    as weights of rows: w_i = B q_g / (rows of g in the batch)

Source: Sagawa, Koh, Hashimoto and Liang, "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020, and the
released code (step size 0.01; a group that is not in a batch has loss 0 there and adds nothing). A group can be a
topic, a prompt or a generator. The source draws batches in which all groups have equal shares. Here batches are those
of every method: a group counts only in batches that have a row of it, so one of 1 % of the rows gets about a quarter of
q_g (batches of 32), and the weights of batches without it average less than 1. The source also needs strong
regularisation and groups of real importance; groups of generated rows with wrong labels have large losses too, and are
weighted up. In preset `quick` there are 48 updates: q moves by a few percent. Raise step_size.
Cost: 1. Needs: the column.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from methods.base import Batch, Context, MethodConfig, WeightConfig, WeightMethod, column, setting
from methods.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GroupDROConfig(WeightConfig):
    column: str = setting("group", note="name of the column that holds the groups")
    step_size: float = setting(0.01, search=(0.01, 1.0), log=True, note="of the groups' weights; 0.01 there")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.column.strip():
            raise ValueError("column must name a column of the generated file")
        if not 0 <= self.step_size < inf:
            raise ValueError(f"step_size must lie in [0, inf), not {self.step_size}")


@register("group-dro")
class GroupDRO(WeightMethod):
    """Cross-entropy in which groups with a large loss count more.

    Fails: By its formula, groups of wrong labels have large losses and gain weight, each row of a small group counts
    for many from the start, and in few updates the weights of groups hardly move. No report of ours has it.
    """

    Config = GroupDROConfig
    config: GroupDROConfig
    requires = (column("group"),)

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        assert isinstance(config, GroupDROConfig)
        return (column(config.column),)

    def start(self, context: Context) -> None:
        """Give all groups the same weight."""
        import numpy as np
        import torch

        _, values = context.scored(column(self.config.column))
        names, group = np.unique(values, return_inverse=True)
        self.group = context.per_row(0.0).long()
        self.group[torch.from_numpy(context.ids)] = torch.from_numpy(group)
        self.log_q = torch.zeros(len(names), dtype=torch.float64)

    def weights(self, batch: Batch) -> Tensor:
        """(B,) weights, after the update of the groups' own."""
        import torch

        loss = -batch.logp.detach().double().cpu()
        group = self.group[batch.ids.cpu()]
        count = torch.bincount(group, minlength=len(self.log_q))
        total = torch.zeros_like(self.log_q).index_add(0, group, loss)
        self.log_q = (self.log_q + self.config.step_size * total / count.clamp(min=1)).log_softmax(0)
        return (len(loss) * self.log_q.exp() / count.clamp(min=1))[group].to(batch.logp)
