"""Trains a cell in smaller parts of its batches when memory runs out; the effective batch stays the same.

Every update still has one batch and one step: the parts are passed one after the other, and the gradient is that of the
whole batch. On the CPU the rows of a part get the dropout masks that they have in the whole batch, so results differ by
rounding alone. On CUDA they get other random numbers.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory")
Result = TypeVar("Result")


def within_memory(train: Callable[[int], Result], batch_size: int) -> tuple[Result, int]:
    """The result of `train(part)` for the largest part of a batch, in rows, that fits into memory, and that part.

    Starts with whole batches and halves the part as long as memory runs out. The error of the last try is raised.
    """
    part = batch_size
    while True:
        try:
            return train(part), part
        except (RuntimeError, MemoryError) as error:
            if part == 1 or not out_of_memory(error):
                raise
            logging.warning("out of memory with %d rows at a time: %s", part, str(error).partition("\n")[0])
        part //= 2  # outside the handler, which holds the tensors of the failed try
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether an error is that memory ran out, on the CPU or on a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(word in str(error).lower() for word in WORDS)
