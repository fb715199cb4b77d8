"""Forward passes without gradient, in batches of rows of similar lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.arrays import IntArray
from bench.precomputed.tokens import TokenTable
from bench.processes import HEART

BATCH = 64  # rows of one forward pass
EMBEDDED_BATCH = 1024  # the same where a row is one embedding
TOKENS = 1024  # of one forward pass of fixed shape: enough for the best rate of matrix products on a core
STEPS = ((32, 8), (64, 16), (128, 32))  # (up to this length, widths are multiples of this); beyond, of LONG_STEP
LONG_STEP = 64
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class FixedBatch:
    """Rows of one width class. The batch is filled up with repetitions of its first row, whose results are dropped."""

    index: IntArray  # (B,)
    rows: int  # how many of them are rows of the batch
    width: int  # in tokens


def fixed_batches(lengths: IntArray, longest: int | None = None) -> list[FixedBatch]:
    """Batches, longest first, in which each row is once, and whose shape is that of the row's length alone.

    So a row's result is the same to the bit whatever other rows there are: matrix products add in an order that depends
    on the shapes. No width is above `longest`, the most tokens that the encoder takes.
    """
    widths = np.array([width_class(int(length), longest) for length in lengths], dtype=np.int64)
    batches = []
    for width in sorted(set(widths.tolist()), reverse=True):
        members, size = np.flatnonzero(widths == width), max(1, TOKENS // width)
        for at in range(0, len(members), size):
            rows = members[at : at + size]
            filled = np.concatenate([rows, np.full(size - len(rows), rows[0])])
            batches.append(FixedBatch(filled, len(rows), width))
    return batches


def width_class(length: int, longest: int | None = None) -> int:
    """The width to which a row of this length is padded."""
    step = next((step for most, step in STEPS if length <= most), LONG_STEP)
    width = step * max(1, -(-length // step))
    return width if longest is None else max(length, min(width, longest))


def batched(
    forward: Callable[[dict[str, Tensor]], Tensor],
    inputs: Callable[[Batch], Mapping[str, Tensor]],
    batches: Iterable[Batch],
    device: torch.device,
) -> Iterator[tuple[Batch, Tensor]]:
    """Each batch, and the result (B, ...) of `forward` for the model inputs of its rows on the device."""
    for batch in batches:
        HEART.beat()
        with torch.inference_mode():  # closed before the yield, so that it does not reach the caller's code
            result = forward({name: value.to(device) for name, value in inputs(batch).items()})
        yield batch, result


def each_alone(
    forward: Callable[[dict[str, Tensor]], Tensor], table: TokenTable, longest: int | None, device: torch.device
) -> Iterator[tuple[IntArray, Tensor]]:
    """`batched` in batches of fixed shape: rows (B,) of the table and their results, which depend on each row alone."""
    batches = fixed_batches(table.length, longest)
    for batch, result in batched(forward, lambda one: table.inputs(one.index, one.width), batches, device):
        yield batch.index[: batch.rows], result[: batch.rows]


def in_order(results: Iterable[tuple[IntArray, Tensor]], rows: int, width: int, device: torch.device) -> Tensor:
    """(rows, width) float32 results of batches in the order of the rows, on the device; 0 for rows of no batch."""
    out = torch.zeros(rows, width, device=device)
    for index, result in results:
        out[torch.from_numpy(index).to(device)] = result
    return out
