"""What a procedure can ask of the training loop: phases, look-ahead, and the budget that its cost depends on.

The loop knows no method: it asks each for its phases, for the updates at which it wants the state of all rows, for the
rows of a batch that are worth a pass, and hands it a `Probe` for derivatives of losses. Defaults in `methods.base`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Direction = Sequence["Tensor"]  # in the space of the weights: one tensor per weight that trains, of its shape
RowLoss = Callable[["Tensor", "Tensor"], "Tensor"]  # (n, C) log-probabilities and (n,) labels -> (n,) losses

FORWARD = 1 / 3  # of the cost of a pass forward and backward
SLOPES = 2 / 3  # a derivative along one direction: twice the work of a pass forward


@dataclass(frozen=True)
class Budget:
    """What a cell's cost depends on besides its settings. Defaults: preset `quick`, real set of the usual size."""

    updates: int = 48
    batch_size: int = 32
    generated: int = 1000
    real: int = 300

    @property
    def rows(self) -> float:
        """Generated rows of an update: an epoch's batches are of nearly equal sizes."""
        generated = max(1, self.generated)
        return generated / math.ceil(generated / self.batch_size)

    def share(self, rows: float) -> float:
        """So many rows passed forward and backward, relative to those of a cross-entropy cell."""
        return rows / (self.updates * self.rows)


@dataclass(frozen=True)
class Phase:
    """One training: updates with an optimiser and a learning-rate schedule of their own.

    `anew`: from the pretrained weights and the cell's first head, with its batches and dropout, instead of from where
    the last phase ended. What came before then leaves no trace in the cell but the method's own state, and its cost.
    """

    updates: int
    rows: Literal["all", "generated", "real"] = "all"  # of those that the cell trains on
    anew: bool = False


class Probe(Protocol):
    """Derivatives of losses at the model's present weights, in float32 and with dropout off. Every pass is counted.

    Rows are named by their ids as in `Batch.ids`, or with `real=True` by their place 0, 1, ... in the small real set,
    which only a method that declares `real_use = GRADIENT` may read (LookupError). Memory: a few copies of the weights
    that train; rows go through the model in small groups.
    """

    @property
    def real_rows(self) -> int:
        """Rows in the small real set."""
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
        """Gradient of mean_i weights_i loss_i over n rows (cross-entropy, weight 1), at the weights plus `shift`."""
        ...

    def slopes(self, ids: Tensor, along: Direction) -> Tensor:
        """(n,) derivative of each row's cross-entropy along a direction: its gradient's inner product with it."""
        ...

    def moves(self, ids: Tensor) -> list[Direction]:
        """Where the optimiser would go from here for each of n rows alone, its moments included: n directions."""
        ...


def some_real(probe: Probe, rows: int | None, rng: np.random.Generator) -> Tensor:
    """(m,) places of `rows` real rows drawn without replacement; all of them, in order, if there are no more."""
    import torch

    if rows is None or rows >= probe.real_rows:
        return torch.arange(probe.real_rows)
    return torch.from_numpy(rng.choice(probe.real_rows, rows, replace=False))
