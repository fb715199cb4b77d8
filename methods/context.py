"""What the training loop gives a method, `Context` and `Batch`, and what a method returns, `Losses`.

Tensors are float32 and on the training device; arrays are numpy. Letters in shapes: n generated rows that the cell
trains on, m rows of the small real set, B rows of a batch, C classes, T snapshots, H embedding size, L token positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from methods.hooks import Probe

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]

# The precomputed tables that a method may list in `requires`. Each has a row per generated row (n) or real row (m).
QUALITY = "quality"  # (n, C) log P'(.|x): the classifier fitted on the small real set
DIVERSITY = "diversity"  # (n, C) log Q'(.|x): the classifier fitted on the generated set
QUALITY_OOF = "quality-oof"  # (m, C) log P'(.|x), out of fold: each row by a classifier fitted without it
DIVERSITY_REAL = "diversity-real"  # (m, C) log Q'(.|x) of the real rows
DIVERSITY_OOF = "diversity-oof"  # (n, C) log Q'(.|x), out of fold
EMBEDDINGS, REAL_EMBEDDINGS = "embeddings", "real-embeddings"  # (n or m, H) the pretrained encoder's mean last state
DYNAMICS = "dynamics"  # (n, T, C) log-probabilities at T evenly spaced updates of the training of Q'
TOKENS, REAL_TOKENS = "tokens", "real-tokens"  # (n or m, L) token ids, -1 after a text's end
# `column("score")`: (n,) an extra column of the generated file. Names of groups are numbered from 0 in sorted order.
COLUMN = "column:"


def column(name: str) -> str:
    """The name of the table that holds an extra column of the generated file, for `requires`."""
    return COLUMN + name


def columns_in(requires: Iterable[str]) -> tuple[str, ...]:
    """The columns among the tables that a method requires."""
    return tuple(name.removeprefix(COLUMN) for name in requires if name.startswith(COLUMN))


@dataclass(frozen=True)
class Context:
    """What a method knows about its cell before training starts, passed to `start`.

    The n generated rows that are trained on have one order in `ids`, `labels` and `tables`; the m rows of the small
    real set have one order in `real_labels` and `real_tables`. Only the tables in `requires` are there.
    """

    n_classes: int
    updates: int  # of the cell
    generated_prior: tuple[float, ...]  # (C,) label shares of the generated rows, sum 1
    real_prior: tuple[float, ...] | None  # (C,) of the small real set; None unless real_use = PRIOR is declared
    labels: Array | None = None  # (n,) int64
    tables: Mapping[str, Array] = field(default_factory=dict)  # by name, for instance QUALITY: (n, C)
    ids: Array | None = None  # (n,) int64, the row numbers that `Batch.ids` holds
    real_labels: Array | None = None  # (m,) int64, None unless a table of the real rows is required
    real_tables: Mapping[str, Array] = field(default_factory=dict)  # by name, for instance QUALITY_OOF: (m, C)
    seed: int = 0  # for random numbers that do not belong to a batch

    def scored(self, table: str) -> tuple[Array, Array]:
        """(n,) labels of the generated rows, and a table of these rows. Raises LookupError if it is not required."""
        if self.labels is None or table not in self.tables:
            raise LookupError(undeclared(table))
        return self.labels, self.tables[table]

    def real_scored(self, table: str) -> tuple[Array, Array]:
        """(m,) labels of the small real set, and a table of these rows. Raises LookupError if it is not required."""
        if self.real_labels is None or table not in self.real_tables:
            raise LookupError(undeclared(table))
        return self.real_labels, self.real_tables[table]

    def per_row(self, value: float) -> Tensor:
        """(largest id + 1,) float32 filled with `value`: state per generated row, to be indexed by `Batch.ids`."""
        import torch

        count = 0 if self.ids is None or not len(self.ids) else int(self.ids.max()) + 1
        return torch.full((count,), value)


@dataclass(frozen=True)
class Batch:
    """B generated rows of one update as a method sees them. Real rows of the batch always carry plain cross-entropy."""

    ids: Tensor  # (B,) int64, the row numbers in the generated set
    labels: Tensor  # (B,) int64, the given labels
    log_probs: Tensor  # (B, C) log p(.|x) of the model being trained, dropout on, with its graph
    logp: Tensor  # (B,) log p(y|x) of the given labels, with its graph
    tables: Mapping[str, Tensor]  # the required tables of the generated rows, by name: (B, C) or as the table's rows
    step: int  # update, from 0, counted on over phases unless a phase starts anew
    epoch: int  # pass over the training rows, from 0
    rng: np.random.Generator  # the method's own: drawing from it changes no other random numbers
    lookahead: Probe | None = None  # see `probe`
    evaluate: Callable[[], Tensor] | None = None  # () -> (B, C) log p(.|x) without dropout or graph, by a second pass

    @property
    def quality_logp(self) -> Tensor:
        """(B,) log P'(y|x) of the given labels."""
        return self.given(QUALITY)

    def evaluated(self) -> Tensor:
        """(B,) log p(y|x) of the given labels in evaluation mode; costs a forward pass."""
        assert self.evaluate is not None, "the trainer gives every batch its second pass"
        return self.evaluate().gather(1, self.labels[:, None]).squeeze(1)

    @property
    def probe(self) -> Probe:
        """Derivatives of losses at the weights with which `log_probs` was computed. Raises LookupError without one."""
        if self.lookahead is None:
            raise LookupError("this batch comes without a probe")
        return self.lookahead

    def scores(self, table: str) -> Tensor:
        """(B, C) log-probabilities of a checker. Raises LookupError if the method does not require the table."""
        if table not in self.tables:
            raise LookupError(undeclared(table))
        return self.tables[table]

    def given(self, table: str) -> Tensor:
        """(B,) log-probabilities of a checker for the given labels. Raises LookupError as `scores`."""
        return self.scores(table).gather(1, self.labels[:, None]).squeeze(1)


def undeclared(table: str) -> str:
    """The error text for a method that reads a table without requiring it."""
    return f"the method reads the table {table!r} but does not list it in `requires`"


class Losses(NamedTuple):
    """The losses of one batch."""

    loss: Tensor  # (B,) per-example loss with its graph; the update descends its plain mean
    weight: Tensor | None  # (B,) detached effective weight on CE; None if the loss is not a function of p_y alone
