"""Data parallel inside a cell: processes (ranks) share the rows of each batch and together do what one process does.

Every rank holds the whole model, draws the same batches, and knows the log-probabilities of the whole batch: its own
rows with their graph, the others' as numbers. So each rank computes any loss of the batch alike, whatever it mixes;
its gradient flows through the rank's own rows, and the sum over ranks is the gradient of one process. With one
process nothing here does anything. Collectives run on every rank in the same order.
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
    """How many ranks there are; 1 where nothing is shared."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this process is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def part(n: int) -> slice:
    """This rank's rows of a batch of n: consecutive, the ranks' sizes differ by at most one; none where n is small."""
    return slice(n * rank() // world(), n * (rank() + 1) // world())


def whole(own: Tensor, at: slice, n: int) -> Tensor:
    """(n, ...) values of the whole batch from this rank's `own` (rows `at`), which alone keep their graph."""
    if world() == 1:
        return own
    known = own.new_zeros(n, *own.shape[1:])
    known[at] = own.detach()
    known = total(known)
    return torch.cat([known[: at.start], own, known[at.stop :]])


def total(values: Tensor) -> Tensor:
    """`values`, which have no graph, summed over the ranks in place."""
    if world() > 1:
        dist.all_reduce(values)
    return values


def sum_gradients(weights: Iterable[Tensor]) -> None:
    """Replace the gradients of each rank's rows by their sum, in one message."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    if world() > 1 and gradients:
        summed = total(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, value in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(value.view_as(gradient))


def dropout(at: slice, n: int, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Within, the rows `at` of a batch of n are dropped out independently of the others'.

    On the CPU exactly as one process would. CUDA's fused kernels draw inside themselves, so there each rank goes on
    from a seed of its own: the same distribution from other random numbers.
    """
    if world() == 1:
        return contextlib.nullcontext()
    if device.type == "cpu":
        return WholeMasks(at, n)
    torch.manual_seed(torch.initial_seed() + rank())
    return contextlib.nullcontext()


def shared(n: int) -> tuple[slice, int]:
    """Of a batch of which n rows are computed here: which rows these are, and of how many."""
    whole = WholeMasks.current
    return (whole.at, whole.n) if whole and n == whole.at.stop - whole.at.start else (slice(0, n), n)


class WholeMasks(TorchDispatchMode):
    """Draws random masks for the whole batch and keeps this rank's rows."""

    current: ClassVar[WholeMasks | None] = None  # the one within which this process computes

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
        # Numbers are drawn in the order of memory, so the whole mask must be laid out like the part.
        layout = sorted(range(mask.ndim), key=mask.stride().__getitem__, reverse=True)
        drawn = torch.empty_permuted((self.n, *mask.shape[1:]), layout, dtype=mask.dtype)
        return mask.copy_(drawn.bernoulli_(*args[1:], **(kwargs or {}))[self.at])
