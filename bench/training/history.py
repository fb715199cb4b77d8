"""What a training run leaves behind: its updates, the visits of its rows, and the passes that it took."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from bench.arrays import BoolArray, IntArray


@dataclass
class Passes:
    """Rows that went through a network, rows whose gradient came back, and updates; of all that was trained."""

    forward: int = 0
    backward: int = 0
    updates: int = 0

    def add(self, forward: int, backward: int = 0) -> None:
        """Count rows."""
        self.forward += forward
        self.backward += backward

    @property
    def rows(self) -> float:
        """The same work as rows forward and backward: the way back is taken as twice the way there."""
        return (self.forward + 2 * self.backward) / 3


@dataclass(frozen=True)
class Visit:
    """B rows of one update: their effective weights in one of the networks, 0 for those left out."""

    ids: IntArray
    real: BoolArray
    epoch: int
    network: int
    weight: Tensor


class NonFiniteLossError(ArithmeticError):
    """A loss or gradient is not finite; the message has the update, the loss and the weights of its batch."""


@dataclass
class History:
    """What a training run leaves: a row per update, the visits of the training rows, and all that was computed."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    passes: Passes = field(default_factory=Passes)

    def to_numbers(self) -> None:
        """Turn the tensors of the latest updates into numbers.

        Raises NonFiniteLossError at the first loss or gradient that is not finite.
        """
        first = next((i for i, row in enumerate(self.updates) if "weight" in row), len(self.updates))
        for row in self.updates[first:]:
            row["loss"], row["grad_norm"] = float(row["loss"]), float(row["grad_norm"])
            row.update(weight_statistics(row.pop("weight")))
            if not np.isfinite([row["loss"], row["grad_norm"]]).all():
                numbers = ", ".join(f"{key} {row[key]:.4g}" for key in row if key not in ("step", "epoch"))
                raise NonFiniteLossError(f"loss or gradient not finite at update {row['step'] + 1}: {numbers}")


def weight_statistics(weight: Tensor) -> dict[str, float]:
    """Mean, largest and effective sample size (share of the rows) of a batch's weights, of those that there are."""
    known = weight[~weight.isnan()]
    if not len(known):
        return dict.fromkeys(("weight_mean", "weight_max", "ess"), math.nan)
    squares = float((known**2).sum())
    size = float(known.sum()) ** 2 / squares / len(known) if squares > 0 else 0.0
    return {"weight_mean": float(known.mean()), "weight_max": float(known.max()), "ess": size}
