"""A term that is added to the loss of any method: contrastive learning of text representations.

    loss = method's loss + weight * mean_i -log( exp(cos(h_i, h'_i) / t) / sum_j exp(cos(h_i, h'_j) / t) )

h and h' are two views of the same texts, (B, H): the inputs of the classifier's last linear layer.
    views=passes     h' is from a second pass of the encoder with other dropout masks: SimCSE without labels
    views=dropout    both views are h with further dropout: no second pass, and views that hardly differ

Source: Gao, Yao and Chen, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP 2021: one direction, t
0.05. They contrast the first token's state after a tanh layer that only training uses; in models like BERT that is the
pooler. views=dropout is the form that a course project (EPFL CS-433, tweet polarity, 2024) added to the DIMP code, with
t 0.05 and weight 0.1. No weight of the term is published for either together with a weighted loss. A method's weights
do not apply to the term, because a row with a small weight is still a text. Texts that are similar, or of one class,
are pushed apart if they are in the same batch.
Cost: with views=passes 1 more per network, with views=dropout none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from methods.base import setting

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SimCSE:
    """The settings of the term; weight 0 turns it off."""

    weight: float = setting(0.1, search=(0.01, 1.0), log=True, note="of the term; 0.1 in the course project")
    temperature: float = setting(0.05, search=(0.02, 0.2), log=True, note="0.05 in SimCSE")
    views: Literal["passes", "dropout"] = setting(
        "passes", note="a second pass, as in SimCSE, or more dropout on the same features"
    )
    rate: float = setting(0.1, note="of the dropout of views=dropout; BERT's")

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"weight must lie in [0, inf), not {self.weight}")
        if not 1e-3 <= self.temperature <= 1e3:
            raise ValueError(f"temperature must lie in [0.001, 1000], not {self.temperature}")
        if not 0 < self.rate < 1:
            raise ValueError(f"rate must lie in (0, 1), not {self.rate}")

    @property
    def cost(self) -> float:
        """Passes forward and backward of a row, per network, in addition to the method's."""
        return 1.0 if self.views == "passes" else 0.0

    def term(self, features: Tensor, again: Callable[[], Tensor], seed: int) -> Tensor:
        """() the weighted term of a batch. `features` are (B, H); `again` makes a second pass and returns others."""
        if self.views == "passes":
            return self.weight * contrast(features, again(), self.temperature)
        import torch

        generator = torch.Generator(features.device).manual_seed(seed)
        shape, device = features.shape, features.device
        masks = [torch.rand(shape, generator=generator, device=device) >= self.rate for _ in range(2)]
        first, second = (features * mask / (1 - self.rate) for mask in masks)
        return self.weight * contrast(first, second, self.temperature)


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """() mean cross-entropy of recognising each row's own view among those of all rows; both arguments are (B, H)."""
    import torch

    similarity = torch.nn.functional.cosine_similarity(first[:, None].float(), second[None].float(), dim=-1)
    return torch.nn.functional.cross_entropy(similarity / temperature, torch.arange(len(first), device=first.device))


AUXILIARIES = {"simcse": SimCSE}
