"""Counts the floating-point operations of a BERT encoder from its shapes and the lengths of the texts.

*Counted*: the whole model on the real tokens, without padding. *Executed*: what our packed blocks compute; the last
block computes the first token only. A pass forward and backward is three passes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.store.files import read_json

Lengths = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """The sizes of an encoder."""

    layers: int
    width: int
    inner: int  # of the feed-forward part
    heads: int
    parameters: int = 0  # all trained ones, with embeddings

    @classmethod
    def of(cls, folder: Path) -> Shape:
        """The sizes in a checkpoint's configuration."""
        config = read_json(folder / "config.json")
        layers, width, inner = config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"]
        embedded = (config["vocab_size"] + config["max_position_embeddings"]) * width
        return cls(
            layers, width, inner, config["num_attention_heads"], embedded + layers * (4 * width + 2 * inner) * width
        )


def block(shape: Shape, lengths: Lengths) -> NDArray[np.float64]:
    """(n,) FLOPs of a pass of each text through one whole block: linear layers per token, attention per token pair."""
    linear = 8 * shape.width**2 + 4 * shape.width * shape.inner
    return float(linear) * lengths + float(4 * shape.width) * lengths**2


def first_token(shape: Shape, lengths: Lengths) -> NDArray[np.float64]:
    """(n,) FLOPs of a pass through a block for the first token alone, without keys and values of the others."""
    fixed = 10.0 * shape.width**2 + 4.0 * shape.width * shape.inner
    return np.asarray(fixed + float(4 * shape.heads * shape.width) * lengths)


def counted(shape: Shape, lengths: Lengths, layers: int | None = None) -> float:
    """FLOPs of a forward pass of all texts through the top `layers` blocks (default: all) and the pooler."""
    count = shape.layers if layers is None else layers
    return float((count * block(shape, lengths) + 2.0 * shape.width**2).sum())


def executed(shape: Shape, lengths: Lengths, layers: int | None = None) -> float:
    """FLOPs of the same pass as our packed blocks compute it."""
    count = shape.layers if layers is None else layers
    return float(((count - 1) * block(shape, lengths) + first_token(shape, lengths) + 2.0 * shape.width**2).sum())
