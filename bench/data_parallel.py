"""Data parallel inside a cell: processes (ranks) share the rows of each batch and compute the updates of one process.

Every rank holds the whole model, draws the same batches, and knows the log-probabilities of the whole batch: its own
rows with their graph, the others' as numbers. So all ranks compute the same loss, even one that mixes rows. A rank's
gradient flows through its own rows, and the sum over ranks is the gradient of one process. With one process nothing
here does anything. Collectives run on every rank in the same order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def world() -> int:
    """The number of ranks; 1 where nothing is shared."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The rank of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def own_rows(n: int) -> slice:
    """This rank's rows of a batch of n: consecutive. Ranks differ by at most one row; for a small n some have none."""
    return slice(n * rank() // world(), n * (rank() + 1) // world())


def gather(own: Tensor, at: slice, n: int) -> Tensor:
    """(n, ...) values of the whole batch from each rank's `own` values (rows `at`). Only this rank's have a graph."""
    if world() == 1:
        return own
    values = own.new_zeros(n, *own.shape[1:])
    values[at] = own.detach()
    values = sum_over_ranks(values)
    return torch.cat([values[: at.start], own, values[at.stop :]])


def sum_over_ranks(values: Tensor) -> Tensor:
    """Sum `values`, which have no graph, over the ranks, in place. Returns them."""
    if world() > 1:
        dist.all_reduce(values)
    return values


def sum_gradients(weights: Iterable[Tensor]) -> None:
    """Replace the gradients on each rank by their sum over ranks, in one message."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if world() > 1 and gradients:
        summed = sum_over_ranks(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, value in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(value.view_as(gradient))


def dropout(at: slice, n: int, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """A context in which the rows `at` of a batch of n get dropout masks that are independent of other ranks'.

    On the CPU they are exactly the masks of one process. CUDA's fused kernels draw random numbers inside themselves, so
    there each rank has a seed of its own: the same distribution from other random numbers.
    """
    if at.stop - at.start == n:
        return contextlib.nullcontext()
    if device.type == "cpu":
        return WholeMasks(at, n)
    # From numbers that all ranks and parts draw alike, so that the networks of an update differ.
    torch.manual_seed(int(torch.randint(2**62, ())) + at.start)
    return contextlib.nullcontext()


def place_in_batch(n: int) -> tuple[slice, int]:
    """Which rows of the whole batch the n rows are that this rank computes, and the size of the whole batch."""
    masks = WholeMasks.current
    return (masks.at, masks.n) if masks and n == masks.at.stop - masks.at.start else (slice(0, n), n)


class WholeMasks(TorchDispatchMode):
    """Draws random masks for the whole batch and keeps this rank's rows."""

    current: ClassVar[WholeMasks | None] = None  # the context that is open in this process

    def __init__(self, at: slice, n: int) -> None:
        super().__init__()
        self.at, self.n = at, n

    def __enter__(self) -> WholeMasks:
        WholeMasks.current = self
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        WholeMasks.current = None
        super().__exit__(*raised)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        own = func is torch.ops.aten.bernoulli_.float and args[0].shape[0] == self.at.stop - self.at.start
        if not own:
            return func(*args, **(kwargs or {}))
        mask: Tensor = args[0]
        # Random numbers are drawn in the order of memory, so the whole mask needs the memory layout of the part.
        layout = sorted(range(mask.ndim), key=mask.stride().__getitem__, reverse=True)
        drawn = torch.empty_permuted((self.n, *mask.shape[1:]), layout, dtype=mask.dtype)
        return mask.copy_(drawn.bernoulli_(*args[1:], **(kwargs or {}))[self.at])
