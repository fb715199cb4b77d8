"""Random seeds by axis: each is a function of names, so a new method, task or option changes no other seed.

Axes in use: `head` (task, seed: initialisation), `order` (task, seed, epoch: batches), `dropout` and `auxiliary` (task,
seed, update), `method` (task, seed, method: a method's own draws), `tune` (the settings of trials). Draws of rows are
ranked by hash in `tasks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

# What the seed of a cell draws, where nothing else is asked for; and the generated set, which is only drawn by itself.
SOURCES: Mapping[str, str] = {
    "generated": "the generated set, resampled by rows",
    "real": "the small real set",
    "head": "the first weights of the head",
    "order": "the order of the batches",
    "dropout": "the dropout masks",
    "method": "the methods' own random numbers",
}
ALL_SOURCES = "all"  # but the generated set, of which there is one
FIXED = 0  # the seed of every other source where one varies by itself


def source_seed(vary: str | None, source: str, seed: int) -> int:
    """The seed of one source in a cell with this seed: the cell's own, unless another source varies by itself."""
    return seed if vary in (None, source) else FIXED


def derive(axis: str, *names: str | int) -> int:
    """A 63-bit seed for one axis; equal arguments give equal seeds on every machine and version."""
    text = "\x1f".join([axis, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seeds_option(seeds: Sequence[int]) -> str:
    """The option that runs these seeds."""
    first = [*seeds] == [*range(len(seeds))]
    return f"--seeds {len(seeds)}" if first else f"--seed {','.join(map(str, seeds))}"
