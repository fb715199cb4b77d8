"""Where each row's tokens stand in a token artefact; rows with the same text share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import IntArray

OWN = "rows.npy"  # (n,) which text each row has; only there where texts repeat


def write(folder: Path, lengths: IntArray, own: IntArray) -> None:
    """Keep the lengths (k,) of the texts and which of them each row (n,) has."""
    np.save(folder / "lengths.npy", lengths)
    if len(own) > len(lengths):
        np.save(folder / OWN, own)


def read(folder: Path) -> tuple[IntArray, IntArray]:
    """Start and length (n,) of each row in the artefact's flat arrays."""
    length = np.load(folder / "lengths.npy")
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    if not (folder / OWN).exists():
        return start, length
    own = np.load(folder / OWN)
    return start[own], length[own]


def once(start: IntArray, length: IntArray) -> tuple[IntArray, IntArray]:
    """A row for each text (k,), and which of these each row (n,) has."""
    _, first, own = np.unique(np.stack([start, length]), axis=1, return_index=True, return_inverse=True)
    return first, own.reshape(-1)


def padded(flat: np.ndarray[Any, Any], start: IntArray, length: IntArray) -> IntArray:
    """(n, L) integers of a flat array, -1 beyond a row's end."""
    place = np.arange(length.max(initial=0))
    within = place < length[:, None]
    table = np.full(within.shape, -1, np.int64)
    table[within] = flat[(start[:, None] + place)[within]]
    return table
