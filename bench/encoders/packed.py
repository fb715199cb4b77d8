"""A forward pass of BERT's family that skips padding, and in the last block all that the head does not read.

It uses the encoder's own weights and modules, so names, saving and the layers above do not change; results differ by
rounding, since the order of the arithmetic does. Three savings, each exact:

- Linear layers, norms and activations see the T tokens of a batch in one (T, H) matrix; only attention sees padding.
- A classification head reads the first token, so the last block needs one query per row. Its keys and values are
  not computed for all tokens: q (W x + b) is (q W) x + q b, and a weighted sum of W x is W applied to the weighted sum.
- On the CPU dropout masks come from a fast generator with 32 random bits per value: the distribution of
  `torch.dropout`, from other random numbers, which torch's generator seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions as Output

from bench import data_parallel
from bench.encoders.families import family
from bench.encoders.matmul import one_dnn

Drop = Callable[[Tensor, float], Tensor]
MULTIPLE = 32  # of tokens in a batch where kernels are compiled per shape
TOLERANCE = 1e-5  # largest difference on the test batch, as a share of the largest state


def use_packed(base: nn.Module) -> bool:
    """Give a base model's encoder the packed forward pass, if a test batch has the same states. Returns whether."""
    if not family(base.config).packed:
        return False
    encoder: Any = base.encoder
    ids = torch.arange(16).reshape(2, 8) % int(base.config.vocab_size)  # type: ignore[union-attr, arg-type]
    batch = {"input_ids": ids, "attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3])}
    base.eval()
    with torch.inference_mode():
        expected = base(**batch).last_hidden_state[:, 0]
        encoder.forward = MethodType(forward, encoder)  # of this instance only: names of weights do not change
        try:
            difference = (base(**batch).last_hidden_state[:, 0] - expected).abs().max()
            if float(difference / expected.abs().max()) <= TOLERANCE:
                return True
        except (TypeError, ValueError, AttributeError, RuntimeError):
            pass  # a variant of the family whose blocks have other parts
    del encoder.forward
    return False


@dataclass(frozen=True)
class Layout:
    """The places of the T tokens of a batch, without padding, among its rows (B, L), flattened."""

    shape: tuple[int, int]  # B, L
    index: Tensor | None  # (T,) places in B * L; None: all places, padding included
    bias: Tensor | None  # (B, 1, 1, L) added to attention scores: 0 for tokens, the lowest number for padding
    fill: int = 0  # copies of the first token at the end of `index`, whose results nothing reads

    @classmethod
    def of(cls, states: Tensor, mask: Tensor | None) -> Layout:
        """The layout of (B, L, H) states under the attention mask that the family's model made of the user's."""
        shape = (states.shape[0], states.shape[1])
        if mask is None:
            return cls(shape, None, None).rounded(states.device)
        real = mask[:, 0, 0] if mask.dtype == torch.bool else mask[:, 0, 0] == 0
        bias = torch.zeros(real.shape, device=real.device).masked_fill_(~real, torch.finfo(torch.float32).min)
        # Counting tokens would wait for the device: a GPU computes the little padding of length buckets instead.
        index = real.flatten().nonzero().squeeze(1) if states.device.type == "cpu" else None
        return cls(shape, index, bias[:, None, None]).rounded(states.device)

    def rounded(self, device: torch.device) -> Layout:
        """The same with T rounded up to a multiple of `MULTIPLE`, where oneDNN would compile kernels for each T."""
        if device.type != "cpu" or not one_dnn():
            return self
        index = torch.arange(self.shape[0] * self.shape[1]) if self.index is None else self.index
        fill = -len(index) % MULTIPLE
        return replace(self, index=torch.cat([index, index[:1].expand(fill)]), fill=fill)

    def pack(self, padded: Tensor) -> Tensor:
        """(B, L, ...) to (T, ...)."""
        flat = padded.flatten(0, 1)
        return flat if self.index is None else flat[self.index]

    def pad(self, packed: Tensor) -> Tensor:
        """(T, N) to (B, L, N), zeros for padding."""
        if self.index is not None:
            tokens = len(self.index) - self.fill
            whole = packed.new_zeros(self.shape[0] * self.shape[1], packed.shape[1])
            packed = whole.index_copy(0, self.index[:tokens], packed[:tokens])
        return packed.reshape(*self.shape, -1)


class Masks:
    """Dropout masks of one forward pass, from a fast generator with a seed of its own.

    A mask is drawn for the padded rows of the whole batch, even if ranks share its rows: a row's mask is the same
    whichever rank computes it.
    """

    def __init__(self, layout: Layout, training: bool, device: torch.device) -> None:
        self.layout, self.training = layout, training
        self.generator = None
        if training and device.type == "cpu":
            self.generator = np.random.SFC64(int(torch.randint(2**63 - 1, ())))

    def drop(self, values: Tensor, share: float) -> Tensor:
        """(B, ...), each value 0 with probability `share`, otherwise divided by 1 - share."""
        if not self.training or share == 0:
            return values
        if self.generator is None:
            return nn.functional.dropout(values, share)
        return values * self._scale(values.shape, share).to(values.dtype)

    def drop_tokens(self, values: Tensor, share: float) -> Tensor:
        """`drop` for (T, N) values of tokens."""
        if self.generator is None or share == 0:
            return self.drop(values, share)
        padded = torch.Size((*self.layout.shape, values.shape[1]))
        return values * self.layout.pack(self._scale(padded, share)).to(values.dtype)

    def _scale(self, shape: torch.Size, share: float) -> Tensor:
        """Factors of the given shape (B, ...): 0, or 1 / (1 - share)."""
        assert self.generator is not None
        own, rows = data_parallel.place_in_batch(shape[0])
        whole = (rows, *shape[1:])
        count = math.prod(whole)
        bits = self.generator.random_raw(math.ceil(count / 2)).view(np.int32)[:count].reshape(whole)
        keep = torch.from_numpy(bits[own]) >= round(share * 2**32) - 2**31
        return keep.float().mul_(1 / (1 - share))


def forward(self: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, **_: Any) -> Output:
    """(B, L, H) states in, (B, 1, H) out: the first token after the last block."""
    layout = Layout.of(hidden_states, attention_mask)
    masks = Masks(layout, self.training, hidden_states.device)
    states = layout.pack(hidden_states)
    for block in self.layer[:-1]:
        attended = attention(block.attention.self, states, layout, masks)
        states = after_attention(block, attended, states, masks.drop_tokens)
    block = self.layer[-1]
    padded = layout.pad(states)
    first = padded[:, 0]
    attended = first_attention(block.attention.self, padded, first, layout, masks)
    states = after_attention(block, attended, first, masks.drop)
    return Output(last_hidden_state=states[:, None])


def attention(module: Any, states: Tensor, layout: Layout, masks: Masks) -> Tensor:
    """(T, H) to (T, H): every token's weighted sum of its row's values."""
    width = module.attention_head_size

    def heads(packed: Tensor) -> Tensor:
        return layout.pad(packed).reshape(*layout.shape, -1, width).transpose(1, 2)  # (B, heads, L, width)

    scores = heads(module.query(states)) @ heads(module.key(states)).transpose(2, 3) * width**-0.5
    weights = softmax(scores, layout.bias)
    context = masks.drop(weights, module.dropout.p) @ heads(module.value(states))
    return layout.pack(context.transpose(1, 2).flatten(2))


def first_attention(module: Any, padded: Tensor, first: Tensor, layout: Layout, masks: Masks) -> Tensor:
    """Attention of each row's first token (B, H) to its padded row (B, L, H); returns (B, H)."""
    width = module.attention_head_size

    def by_head(values: Tensor) -> Tensor:
        return values.reshape(-1, width, *values.shape[1:])  # the output dimension H as (heads, width)

    query = module.query(first).reshape(len(first), -1, width).transpose(0, 1)  # (heads, B, width)
    query_key = query @ by_head(module.key.weight)  # (heads, B, H)
    offset = query @ by_head(module.key.bias)[:, :, None]  # (heads, B, 1)
    products = query_key.transpose(0, 1) @ padded.transpose(1, 2)  # (B, heads, L)
    scores = (products + offset.transpose(0, 1)) * width**-0.5
    bias = None if layout.bias is None else layout.bias[:, 0]
    weights = masks.drop(softmax(scores, bias), module.dropout.p)
    summed = (weights @ padded).transpose(0, 1)  # (heads, B, H)
    context = summed @ by_head(module.value.weight).transpose(1, 2)  # (heads, B, width)
    context = context + weights.sum(-1).t()[:, :, None] * by_head(module.value.bias)[:, None]
    return context.transpose(0, 1).flatten(1)


def softmax(scores: Tensor, bias: Tensor | None) -> Tensor:
    """Attention weights, 0 for padding."""
    return (scores if bias is None else scores + bias).softmax(-1)


def after_attention(block: Any, attended: Tensor, states: Tensor, drop: Drop) -> Tensor:
    """The part of a block after attention, for any (N, H) tokens."""
    middle = residual(block.attention.output, attended, states, drop)
    return residual(block.output, block.intermediate(middle), middle, drop)


def residual(module: Any, values: Tensor, states: Tensor, drop: Drop) -> Tensor:
    """Projection, dropout, residual connection and norm."""
    normed: Tensor = module.LayerNorm(drop(module.dense(values), module.dropout.p) + states)
    return normed
