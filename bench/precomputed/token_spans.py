"""Where each row's tokens begin and end in a token table; rows with the same text share them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.arrays import IntArray

TEXT_OF_ROW = "rows.npy"  # (n,) index of each row's text; written only if texts repeat


def write(folder: Path, lengths: IntArray, text_of_row: IntArray) -> None:
    """Write the lengths (k,) of the texts, in tokens, and the index (n,) of each row's text."""
    np.save(folder / "lengths.npy", lengths)
    if len(text_of_row) > len(lengths):
        np.save(folder / TEXT_OF_ROW, text_of_row)


def read(folder: Path) -> tuple[IntArray, IntArray]:
    """Start and length (n,) of each row in the flat arrays of a token table."""
    length = np.load(folder / "lengths.npy")
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    if not (folder / TEXT_OF_ROW).exists():
        return start, length
    text_of_row = np.load(folder / TEXT_OF_ROW)
    return start[text_of_row], length[text_of_row]


def unique_texts(start: IntArray, length: IntArray) -> tuple[IntArray, IntArray]:
    """The first row (k,) of each text, and the index (n,) of each row's text among these."""
    _, first, text_of_row = np.unique(np.stack([start, length]), axis=1, return_index=True, return_inverse=True)
    return first, text_of_row.reshape(-1)


def padded(flat: np.ndarray[Any, Any], start: IntArray, length: IntArray) -> IntArray:
    """(n, L) integers of a flat array, -1 beyond a row's end."""
    offset = np.arange(length.max(initial=0))
    within = offset < length[:, None]
    table = np.full(within.shape, -1, np.int64)
    table[within] = flat[(start[:, None] + offset)[within]]
    return table
