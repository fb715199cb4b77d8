"""The history of a training: its updates, the visits of its rows, and the passes that it took."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from bench.arrays import BoolArray, IntArray

# Called with the latest updates as numbers, while a training goes on.
Live = Callable[[Sequence[Mapping[str, Any]]], None]
SKIPPED = "skipped"  # entry of an update whose gradient overflowed in fp16, so that it changed nothing


@dataclass
class Passes:
    """Counts of all that was trained: rows passed forward, rows passed backward, and updates."""

    forward: int = 0
    backward: int = 0
    updates: int = 0

    def add(self, forward: int, backward: int = 0) -> None:
        """Count rows."""
        self.forward += forward
        self.backward += backward

    @property
    def rows(self) -> float:
        """The same work in rows passed forward and backward; backward counts as twice forward."""
        return (self.forward + 2 * self.backward) / 3


@dataclass(frozen=True)
class Visit:
    """The B rows of one update and their effective weights in one network, 0 for rows left out."""

    ids: IntArray
    real: BoolArray
    epoch: int
    network: int
    weight: Tensor


class NonFiniteLossError(ArithmeticError):
    """A loss or gradient is not finite; the message has the update, the loss and the weights of its batch."""


@dataclass
class History:
    """The history of a training: an entry per update, the visits of the training rows, and all passes."""

    updates: list[dict[str, Any]] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    passes: Passes = field(default_factory=Passes)
    live: Live | None = None

    def to_numbers(self) -> None:
        """Turn the tensors of the latest updates into numbers.

        Raises NonFiniteLossError at the first loss or gradient that is not finite, unless the update was skipped.
        """
        first = next((i for i, update in enumerate(self.updates) if "weight" in update), len(self.updates))
        for update in self.updates[first:]:
            update["loss"], update["grad_norm"] = float(update["loss"]), float(update["grad_norm"])
            update.update(weight_statistics(update.pop("weight")))
            if not np.isfinite([update["loss"], 0.0 if SKIPPED in update else update["grad_norm"]]).all():
                numbers = ", ".join(f"{key} {update[key]:.4g}" for key in update if key not in ("step", "epoch"))
                raise NonFiniteLossError(f"loss or gradient not finite at update {update['step'] + 1}: {numbers}")
        if self.live is not None and first < len(self.updates):
            self.live([dict(update) for update in self.updates[first:]])


def weight_statistics(weight: Tensor) -> dict[str, float]:
    """Mean, largest, and effective sample size (share of the rows) of a batch's weights; NaN weights do not count."""
    known = weight[~weight.isnan()]
    if not len(known):
        return dict.fromkeys(("weight_mean", "weight_max", "ess"), math.nan)
    squares = float((known**2).sum())
    size = float(known.sum()) ** 2 / squares / len(known) if squares > 0 else 0.0
    return {"weight_mean": float(known.mean()), "weight_max": float(known.max()), "ess": size}
