"""An embedding of the tokens that occur, for a classifier whose embeddings train.

A batch touches a few hundred of thirty thousand rows, but gradient, norm and optimiser go through all of them. A row
that never occurs has gradient zero: without weight decay AdamW leaves it exactly as it is, and it adds nothing to the
norm, so nothing is computed for it here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bench.arrays import IntArray


class Occurring(nn.Module):
    """Takes token ids of the whole vocabulary; `weight` (n, H) are the rows of the n ids that occur, ascending."""

    place: Tensor  # (V,) row of an id in `weight`, -1 where it does not occur

    def __init__(self, whole: nn.Embedding, ids: IntArray) -> None:
        super().__init__()
        self.ids = torch.from_numpy(ids)
        place = torch.full((whole.num_embeddings,), -1)  # an id that was not foreseen is an error and no other token
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
        """(V, H) the embedding of the whole vocabulary, as it is now."""
        return self.whole.detach().index_copy(0, self.ids.to(self.whole.device), self.weight.detach())


def use_occurring(model: nn.Module, ids: IntArray) -> Occurring | None:
    """Have a Hugging Face model embed only these ids; a model whose embedding does more than look up is left alone."""
    whole = model.get_input_embeddings()  # type: ignore[operator]
    if type(whole) is not nn.Embedding or whole.max_norm is not None or whole.scale_grad_by_freq or whole.sparse:
        return None
    made = Occurring(whole, ids)
    model.set_input_embeddings(made)  # type: ignore[operator]
    return made
