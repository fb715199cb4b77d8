"""Random seeds by axis: each is a function of names, so a new method, task or option changes no other seed.

Axes in use: `head` (task, seed: initialisation), `order` (task, seed, epoch: batches), `dropout` and `auxiliary` (task,
seed, update), `method` (task, seed, method: a method's own draws), `tune` (the settings of trials). Draws of rows are
ranked by hash in `tasks`.
"""

from __future__ import annotations

import hashlib


def derive(axis: str, *names: str | int) -> int:
    """A 63-bit seed for one axis; equal arguments give equal seeds on every machine and version."""
    text = "\x1f".join([axis, *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
