"""The batches of a training: rows shuffled, in nearly equal sizes, and of similar lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.arrays import IntArray
from bench.seeds import derive

# Batches whose rows are sorted by length together: enough for little padding, few enough to keep batches random.
WINDOW = 16


def epoch(lengths: IntArray, size: int, seed: int) -> list[IntArray]:
    """One pass over n rows in ceil(n / size) random batches whose sizes differ by at most one.

    Rows are shuffled, then sorted by length within windows of batches, then the batches are shuffled. Equal sizes: each
    of 4 rows in a last batch would weigh eight times as much as one of 32.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    sizes = [len(part) for part in np.array_split(order, math.ceil(len(order) / size))]
    span = sum(sizes[:WINDOW])
    for at in range(0, len(order), span):
        window = order[at : at + span]
        order[at : at + span] = window[np.argsort(lengths[window], kind="stable")]
    batches = np.split(order, np.cumsum(sizes)[:-1])
    return [batches[i] for i in rng.permutation(len(batches))]


def schedule(lengths: IntArray, size: int, updates: int, task: str, seed: int) -> Iterator[tuple[int, IntArray]]:
    """(epoch, rows) of each of `updates` batches; a smaller set is passed over several times.

    Depends on task, seed and the rows alone, so methods that train on the same rows see the same batches.
    """
    done, number = 0, 0
    while done < updates:
        for batch in epoch(lengths, size, derive("order", task, seed, number))[: updates - done]:
            yield number, batch
            done += 1
        number += 1
