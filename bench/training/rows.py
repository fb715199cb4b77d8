"""The rows of a cell as the training loop and the probes of its networks read them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from bench.arrays import Array, BoolArray, IntArray
from bench.precomputed.tokens import TokenTable
from methods.hooks import Phase


@dataclass(frozen=True)
class ProbedRows:
    """n rows whose gradients a probe can compute. `place` maps a row's id to its row of the table."""

    table: TokenTable
    labels: IntArray  # (n,)
    ids: IntArray  # (n,)
    place: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "place", {int(identity): row for row, identity in enumerate(self.ids)})

    def rows(self, ids: Tensor) -> IntArray:
        """(m,) the rows of the table that have these ids (m,)."""
        return np.array([self.place[identity] for identity in ids.tolist()], dtype=np.int64)


@dataclass(frozen=True)
class TrainingRows:
    """n rows to train on. Real rows carry plain cross-entropy; `share` (n,) multiplies each row's loss."""

    table: TokenTable
    ids: IntArray  # (n,) row numbers within the row's role
    labels: IntArray  # (n,)
    real: BoolArray  # (n,)
    share: Array  # (n,) float32
    tables: dict[str, Array] = field(default_factory=dict)  # precomputed table -> (n, C) log-probabilities

    def of(self, phase: Phase) -> TrainingRows:
        """The rows of a phase. Raises ValueError if there are none."""
        wanted = {"all": np.ones_like(self.real), "generated": ~self.real, "real": self.real}[phase.rows]
        if not wanted.any():
            raise ValueError(f"a phase trains on {phase.rows} rows, but the cell has none")
        return self.take(np.flatnonzero(wanted))

    def take(self, index: IntArray) -> TrainingRows:
        """The rows at `index`, in that order."""
        columns = {name: getattr(self, name)[index] for name in ("ids", "labels", "real", "share")}
        tables = {name: scores[index] for name, scores in self.tables.items()}
        return replace(self, table=self.table.take(index), tables=tables, **columns)

    def generated(self) -> ProbedRows:
        """The generated rows, for probes."""
        index = np.flatnonzero(~self.real)
        return ProbedRows(self.table.take(index), self.labels[index], self.ids[index])
