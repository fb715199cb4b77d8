"""Class probabilities of texts by a classifier of transformers, as it gives them to each text by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bench import devices
from bench.encoders.checkpoints import Checkpoint, longest
from bench.encoders.token_counts import MANY_UNKNOWN, own_and_unknown, unknown_note
from bench.errors import UserError
from bench.execution.limits import require_gpu
from tasks.errors import plural

if TYPE_CHECKING:
    from torch import Tensor

    from bench.arrays import FloatArray, IntArray

CHUNK = 4096  # texts that are tokenised at a time


class Unread(NamedTuple):
    """What a model does not read of some texts: the ends of `cut` of them, and `unknown` of their `tokens`."""

    texts: int = 0
    cut: int = 0
    tokens: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Labeller:
    """A classifier with its tokenizer.

    A batch has texts of one length, so there is no padding: some families of models give a text other logits with
    padding before it, or after it.
    """

    model: Any
    tokenizer: Any
    positions: int | None  # the most tokens that the model takes; None if it has no limit

    @property
    def limit(self) -> int | None:
        """The number of tokens to which texts are cut: the tokenizer's limit, or the model's."""
        return longest(self.tokenizer.model_max_length, self.positions)

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> tuple[FloatArray, Unread]:
        """(n, C) probabilities of texts, or of pairs of them, and what is not read of them.

        Raises UserError for a GPU that torch cannot use.
        """
        from bench.precomputed.inference import batched, in_order

        require_gpu()
        device, parts = devices.available(), list[Unread]()
        self.model.to(device)
        out = np.zeros((len(texts), self.model.config.num_labels))
        # Neighbours have about one length, so that batches are full.
        order = np.argsort([len(text) for text in texts], kind="stable")
        for rows in (order[at : at + CHUNK] for at in range(0, len(order), CHUNK)):
            columns = [[column[i] for i in rows] for column in (texts, pairs) if column is not None]
            encoded, unread = self._encoded(columns)
            parts.append(unread)
            results = batched(self._forward, Equal(encoded), of_one_length(encoded["input_ids"]), device)
            out[rows] = in_order(results, len(rows), out.shape[1], device).double().cpu().numpy()
        return out, Unread(*map(sum, zip(*parts, strict=True)))

    def _forward(self, batch: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.model(**batch).logits
        return logits.softmax(dim=-1)

    def notes(self, unread: Unread, why: str = "", what: str = "text") -> list[str]:
        """Lines on texts that are cut, which end with `why`, and on unknown tokens, if they are many."""
        texts = plural(unread.texts, what)
        share = unread.unknown / max(unread.tokens, 1)
        cut = f"{unread.cut:,} of {texts} cut after {self.limit} tokens{why}"
        unknown = unknown_note(share, texts, "the model")
        return [cut] * (unread.cut > 0) + [unknown] * (share > MANY_UNKNOWN)

    def unread(self, columns: Sequence[Sequence[str]]) -> Unread:
        """What the model does not read of texts (one column), or of pairs of them (two)."""
        return self._encoded(columns)[1]

    def _encoded(self, columns: Sequence[Sequence[str]]) -> tuple[Any, Unread]:
        """Model inputs of texts, of which those at the limit are tokenised again to see whether they are cut."""
        from bench.precomputed.tokens import longer

        encoded = self.tokenizer(*columns, truncation=self.limit is not None, max_length=self.limit)
        ids = encoded["input_ids"]
        full = [texts for texts, row in zip(zip(*columns, strict=True), ids, strict=True) if len(row) == self.limit]
        cut = 0 if self.limit is None else sum(longer(self.tokenizer, full, self.limit))
        own, unknown = own_and_unknown(self.tokenizer, ids)
        return encoded, Unread(len(ids), cut, int(own.sum()), int(unknown.sum()))


@dataclass(frozen=True)
class Equal:
    """The model inputs of tokenised texts; called with rows of one length."""

    encoded: Any

    def __call__(self, rows: IntArray) -> dict[str, Tensor]:
        import torch

        return {name: torch.tensor([values[i] for i in rows]) for name, values in self.encoded.items()}


def of_one_length(ids: Sequence[Sequence[int]]) -> Iterator[IntArray]:
    """Batches of rows with the same number of tokens."""
    from bench.precomputed.inference import BATCH

    lengths = np.array([len(row) for row in ids])
    for length in np.unique(lengths)[::-1]:
        rows = np.flatnonzero(lengths == length)
        yield from (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


def load_labeller(checkpoint: Checkpoint, n_classes: int) -> Labeller:
    """The labeller of a folder. Raises UserError for a model whose weights or tokenizer do not fit."""
    from bench.encoders.loading import check_tokenizer, load_classifier, load_tokenizer

    model = load_classifier(checkpoint, n_classes).model
    tokenizer = load_tokenizer(checkpoint)
    check_tokenizer(checkpoint.title, model, tokenizer)
    if not isinstance(tokenizer.model_max_length, int | float):
        raise UserError(f"{checkpoint.title}: tokenizer_config.json must have a whole number model_max_length")
    return Labeller(model, tokenizer, checkpoint.positions)
