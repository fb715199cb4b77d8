"""What a method sees: its cell before training starts, and a batch of it; and what it answers.

Tensors are float32 and on the training device; nothing here imports torch at module level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from methods.hooks import Probe

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]

# Artefacts a method may list in `requires`: tables with a row per generated row, or per row of the small real set.
QUALITY = "quality"  # log P'(.|x) of generated rows: the classifier fitted on the small real set
DIVERSITY = "diversity"  # log Q'(.|x) of generated rows: the classifier fitted on the generated set
QUALITY_OOF = "quality-oof"  # log P'(.|x) of real rows, each by a classifier that was fitted without it
DIVERSITY_OOF = "diversity-oof"  # log Q'(.|x) of generated rows, each by a classifier that was fitted without it
EMBEDDINGS, REAL_EMBEDDINGS = "embeddings", "real-embeddings"  # (H,) mean of the pretrained encoder's last states
DYNAMICS = "dynamics"  # (T, C) log-probabilities of generated rows at T moments of training Q'
TOKENS, REAL_TOKENS = "tokens", "real-tokens"  # (L,) token ids, -1 beyond a text's end


@dataclass(frozen=True)
class Context:
    """What a method knows about its cell before training starts.

    `generated_prior` and `real_prior` are label shares (sum 1); `real_prior` is of the small real set. `ids`, `labels`
    and `tables` are of the n generated rows that are trained on, in one order; `real_labels` and `real_tables` of the
    m rows of the small real set. The tables are those in `requires`.
    """

    n_classes: int
    n_rows: int
    updates: int
    generated_prior: tuple[float, ...]
    real_prior: tuple[float, ...] | None  # None unless the method declares real_use = PRIOR
    labels: Array | None = None  # (n,) int64
    tables: Mapping[str, Array] = field(default_factory=dict)  # artefact -> (n, C) log-probabilities, or as it says
    ids: Array | None = None  # (n,) int64, the row numbers that `Batch.ids` holds
    real_labels: Array | None = None  # (m,) int64, None unless a table of the real rows is required
    real_tables: Mapping[str, Array] = field(default_factory=dict)  # likewise, artefact -> (m, C) of the real rows
    seed: int = 0  # for random numbers outside batches

    def scored(self, artefact: str) -> tuple[Array, Array]:
        """(n,) labels of the generated rows and the artefact's table. Raises LookupError if it is not required."""
        if self.labels is None or artefact not in self.tables:
            raise LookupError(undeclared(artefact))
        return self.labels, self.tables[artefact]

    def real_scored(self, artefact: str) -> tuple[Array, Array]:
        """(m,) labels of the small real set and the artefact's table. Raises LookupError if it is not required."""
        if self.real_labels is None or artefact not in self.real_tables:
            raise LookupError(undeclared(artefact))
        return self.real_labels, self.real_tables[artefact]

    def per_row(self, value: float) -> Tensor:
        """A float32 number for each generated row, to be indexed by `Batch.ids`: (largest id + 1,)."""
        import torch

        count = 0 if self.ids is None or not len(self.ids) else int(self.ids.max()) + 1
        return torch.full((count,), value)


@dataclass(frozen=True)
class Batch:
    """One batch of B generated rows over C classes, as a method sees it."""

    ids: Tensor  # (B,) int64, the row numbers in the generated set
    labels: Tensor  # (B,) int64, the given label
    log_probs: Tensor  # (B, C) log p(.|x) of the model being trained, dropout on, with its graph
    logp: Tensor  # (B,) log p(y|x) of the given label, with its graph
    tables: Mapping[str, Tensor]  # artefact in `requires` -> (B, C) log-probabilities
    step: int  # update, from 0
    epoch: int  # pass over the training rows, from 0
    rng: np.random.Generator  # the method's own random numbers: using them shifts nobody else's
    lookahead: Probe | None = None
    evaluate: Callable[[], Tensor] | None = None  # (B, C) log p(.|x) without dropout or graph, by a second pass

    @property
    def quality_logp(self) -> Tensor:
        """(B,) log P'(y|x) of the given label."""
        return self.given(QUALITY)

    def evaluated(self) -> Tensor:
        """(B,) log p(y|x) of the given label in evaluation mode; costs a forward pass."""
        assert self.evaluate is not None, "the trainer gives every batch its second pass"
        return self.evaluate().gather(1, self.labels[:, None]).squeeze(1)

    @property
    def probe(self) -> Probe:
        """Derivatives of losses at the present weights of the network that made this batch's log-probabilities."""
        if self.lookahead is None:
            raise LookupError("this batch comes without a probe")
        return self.lookahead

    def scores(self, artefact: str) -> Tensor:
        """(B, C) log-probabilities of a checker. Raises LookupError if the method does not require it."""
        if artefact not in self.tables:
            raise LookupError(undeclared(artefact))
        return self.tables[artefact]

    def given(self, artefact: str) -> Tensor:
        """(B,) log-probabilities that a checker has for the given labels."""
        return self.scores(artefact).gather(1, self.labels[:, None]).squeeze(1)


def undeclared(artefact: str) -> str:
    """The complaint about a method that reads more than it asked for."""
    return f"the method reads {artefact} scores but does not list {artefact!r} in `requires`"


class Losses(NamedTuple):
    """What a method returns for a batch."""

    loss: Tensor  # (B,) per-example loss with its graph; the update descends its plain mean
    weight: Tensor | None  # (B,) detached effective weight on CE; None where the loss is not a function of p_y
