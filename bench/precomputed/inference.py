"""Forward passes without gradient, in batches of rows of similar lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from bench.arrays import IntArray
from bench.processes import HEART

BATCH = 64  # rows of one forward pass


def available_device() -> torch.device:
    """The GPU where there is one, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def batched(
    forward: Callable[[dict[str, Tensor]], Tensor],
    inputs: Callable[[IntArray], Mapping[str, Tensor]],
    batches: Iterable[IntArray],
    device: torch.device,
) -> Iterator[tuple[IntArray, Tensor]]:
    """Each batch's rows (B,), and the result (B, ...) of `forward` for their model inputs on the device."""
    for index in batches:
        HEART.beat()
        with torch.inference_mode():  # closed before the yield, so that it does not reach the caller's code
            result = forward({name: value.to(device) for name, value in inputs(index).items()})
        yield index, result


def in_order(results: Iterable[tuple[IntArray, Tensor]], rows: int, width: int, device: torch.device) -> Tensor:
    """(rows, width) float32 results of batches in the order of the rows, on the device; 0 for rows of no batch."""
    out = torch.zeros(rows, width, device=device)
    for index, result in results:
        out[torch.from_numpy(index).to(device)] = result
    return out
