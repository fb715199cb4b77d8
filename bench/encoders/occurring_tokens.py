"""Embeddings of the tokens that occur, for a classifier whose embeddings train.

A batch has a few hundred of thirty thousand tokens, but gradient, norm and optimiser go through all rows of the
embedding. The row of a token that never occurs has gradient zero: without weight decay AdamW does not change it, and it
adds nothing to the norm. So these rows are left out of training, and the result is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.arrays import IntArray


class Occurring(nn.Module):
    """An embedding of the n ids that occur: `weight` (n, H), by ascending id. Its input has ids of the vocabulary."""

    place: Tensor  # (V,) row of an id in `weight`, -1 for one that does not occur

    def __init__(self, whole: nn.Embedding, ids: IntArray) -> None:
        super().__init__()
        self.ids = torch.from_numpy(ids)
        place = torch.full((whole.num_embeddings,), -1)  # so that an unexpected id raises IndexError
        place[self.ids] = torch.arange(len(ids))
        self.register_buffer("place", place, persistent=False)
        padding = -1 if whole.padding_idx is None else int(place[whole.padding_idx])
        self.padding = None if padding < 0 else padding
        self.whole = nn.Parameter(whole.weight.detach(), requires_grad=False)
        self.weight = nn.Parameter(whole.weight.detach()[self.ids].clone())

    def forward(self, input_ids: Tensor) -> Tensor:
        """(B, L) to (B, L, H)."""
        return nn.functional.embedding(self.place[input_ids], self.weight, self.padding)

    def expanded(self) -> Tensor:
        """(V, H) the present embedding of the whole vocabulary."""
        return self.whole.detach().index_copy(0, self.ids.to(self.whole.device), self.weight.detach())


def use_occurring(model: nn.Module, ids: IntArray) -> Occurring | None:
    """Replace the embedding of a Hugging Face model by one of these ids. None if it does more than look rows up."""
    whole = model.get_input_embeddings()  # type: ignore[operator]
    if type(whole) is not nn.Embedding or whole.max_norm is not None or whole.scale_grad_by_freq or whole.sparse:
        return None
    embedding = Occurring(whole, ids)
    model.set_input_embeddings(embedding)  # type: ignore[operator]
    return embedding
