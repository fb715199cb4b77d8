"""What a method can get from the training loop besides batches: several phases, derivatives of losses, a declared cost.

`Phase` is what `Method.phases` returns. `Probe` is `Batch.probe`, and an argument of `Method.phase_end`. `Budget` is an
argument of `Method.declared_cost`. For example, weights by the agreement of each row's gradient with real rows:

    def weights(self, batch: Batch) -> Tensor:
        real = batch.probe.gradient(some_real(batch.probe, 32, batch.rng), real=True)
        return batch.probe.slopes(batch.ids, real).clamp(min=0)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Direction = Sequence["Tensor"]  # in the space of the weights: for each trained weight a tensor of its shape
RowLoss = Callable[["Tensor", "Tensor"], "Tensor"]  # (n, C) log-probabilities and (n,) labels -> (n,) losses

# Costs, relative to a pass forward and backward.
FORWARD = 1 / 3  # a forward pass
SLOPES = 2 / 3  # a derivative along one direction: twice the work of a forward pass


@dataclass(frozen=True)
class Budget:
    """The numbers that a cell's cost depends on, besides the method's config. Defaults: preset `quick`."""

    updates: int = 48
    batch_size: int = 32
    generated: int = 1000  # rows
    real: int = 300  # rows of the small real set

    @property
    def rows(self) -> float:
        """Generated rows of an update, on average: an epoch's batches have nearly equal sizes."""
        generated = max(1, self.generated)
        return generated / math.ceil(generated / self.batch_size)

    def share(self, rows: float) -> float:
        """The cost of `rows` rows passed forward and backward, relative to that of a whole cross-entropy cell."""
        return rows / (self.updates * self.rows)


@dataclass(frozen=True)
class Phase:
    """One training of a cell: updates with an optimiser and a learning-rate schedule of their own.

    A phase continues from the weights of the phase before. With `anew` it starts from the pretrained weights and the
    cell's initial head, with the same batches and dropout. Then the phases before it leave only the method's own state
    and their cost.
    """

    updates: int
    rows: Literal["all", "generated", "real"] = "all"  # which of the rows that the cell trains on
    anew: bool = False
    candidates: int = 1  # batches are so many times as large, and `Method.choose` says which of their rows are passed


class Probe(Protocol):
    """Derivatives of losses at the network's present weights, in float32 and with dropout off. All passes are counted.

    `ids` (n,) are those of `Batch.ids`. With `real=True` they are positions 0, 1, ... in the small real set, which a
    method may use only if it declares `real_use = GRADIENT`; otherwise LookupError is raised. Memory: a few copies of
    the trained weights, because rows go through the model in small groups.
    """

    @property
    def real_rows(self) -> int:
        """The number of rows in the small real set."""
        ...

    def gradient(
        self,
        ids: Tensor,
        *,
        real: bool = False,
        loss: RowLoss | None = None,
        weights: Tensor | None = None,
        shift: Direction | None = None,
    ) -> Direction:
        """Gradient of mean_i weights_i loss_i over n rows, at the network's weights plus `shift`.

        `loss` is cross-entropy and `weights` (n,) are 1 by default. Cost: n rows forward and backward.
        """
        ...

    def slopes(self, ids: Tensor, along: Direction) -> Tensor:
        """(n,) the inner product of each row's cross-entropy gradient with a direction. Cost: 2/3 of n rows."""
        ...

    def moves(self, ids: Tensor) -> list[Direction]:
        """For each of n rows, the step that the optimiser would make for this row alone, its moments included.

        Returns n directions, without weight decay. Cost: n rows forward and backward, one by one.
        """
        ...


def some_real(probe: Probe, rows: int | None, rng: np.random.Generator) -> Tensor:
    """Positions (m,) of m = `rows` real rows, drawn without replacement. All, in order, if None or too many."""
    import torch

    if rows is None or rows >= probe.real_rows:
        return torch.arange(probe.real_rows)
    return torch.from_numpy(rng.choice(probe.real_rows, rows, replace=False))
