"""A term that is added to the loss of any method: contrastive learning of the texts themselves.

    loss = method's loss + weight * mean_i -log( exp(cos(h_i, h'_i) / t) / sum_j exp(cos(h_i, h'_j) / t) )

h and h' are two views of the same texts, (B, H) of what enters the classifier's last linear layer.
    views=passes     h' from a second pass of the encoder with other dropout masks: SimCSE without labels
    views=dropout    both by dropping out h twice more: no second pass, and hardly a difference between the views

Source: Gao, Yao and Chen, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", EMNLP 2021: one direction, t
0.05. They contrast the first token's state after a layer with tanh that training alone uses; in BERT's family that is
the pooler. views=dropout is the form that a course project (EPFL CS-433, tweet polarity, 2024) added to the DIMP code,
with t 0.05 and weight 0.1. No weight is published for either next to a weighted loss. The weights of a method do not
touch the term: rows that a method weighs down are still texts. Texts that are alike, or of one class, are pushed apart
where they share a batch.
Cost: views=passes 1 more per network; views=dropout none.
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
    """Settings of the term, which weight 0 turns off."""

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
        """Passes forward and backward of a row, per network, besides the method's."""
        return 1.0 if self.views == "passes" else 0.0

    def term(self, features: Tensor, again: Callable[[], Tensor], seed: int) -> Tensor:
        """() the weighted term of a batch, from its (B, H) features and a second pass that gives others."""
        if self.views == "passes":
            return self.weight * contrast(features, again(), self.temperature)
        import torch

        generator = torch.Generator(features.device).manual_seed(seed)
        kept = [torch.rand(features.shape, generator=generator, device=features.device) >= self.rate for _ in range(2)]
        first, second = (features * mask / (1 - self.rate) for mask in kept)
        return self.weight * contrast(first, second, self.temperature)


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """() mean cross-entropy of finding each row's own view among those of all rows, from (B, H) twice."""
    import torch

    similarity = torch.nn.functional.cosine_similarity(first[:, None].float(), second[None].float(), dim=-1)
    return torch.nn.functional.cross_entropy(similarity / temperature, torch.arange(len(first), device=first.device))


AUXILIARIES = {"simcse": SimCSE}
