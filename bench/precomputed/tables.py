"""Reading the tables that methods require."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.arrays import Array, BoolArray, IntArray
from bench.precomputed import token_spans as spans
from methods.context import (
    DIVERSITY,
    DIVERSITY_OOF,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
)


class RowLookup(NamedTuple):
    """The rows that a cell wants of a table: their ids, and their places in the token artefact; -1 for none."""

    ids: IntArray  # (n,)
    places: IntArray  # (n,)
    n_classes: int


def filled(values: Array, where: BoolArray) -> Array:
    """(n, ...) `values` in the rows where a mask (n,) is true, 0 elsewhere."""
    out = np.zeros((len(where), *values.shape[1:]), values.dtype)
    out[where] = values
    return out


def write_scores(path: Path, ids: IntArray, values: Array, name: str, **columns: IntArray) -> None:
    """A table in id order: id, further columns, and one float32 column per class."""
    classes = {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    pd.DataFrame({"id": ids, **columns, **classes}).sort_values("id").to_parquet(path, index=False)


def read_scores(folder: Path, sought: RowLookup) -> Array:
    """(n, C) log-probabilities."""
    frame = pd.read_parquet(folder / "train_scores.parquet").set_index("id")
    if list(frame) != [f"logp_{k}" for k in range(sought.n_classes)]:
        found = ", ".join(map(str, frame))
        raise LookupError(f"{folder} has scores of {found}, not of {sought.n_classes} classes in their order")
    values = frame.reindex(sought.ids[sought.ids >= 0]).to_numpy(np.float32)
    if not np.isfinite(values).all():
        raise LookupError(f"{folder} lacks finite scores for some of the {len(sought.ids)} rows")
    return filled(values, sought.ids >= 0)


def read_dynamics(folder: Path, sought: RowLookup) -> Array:
    """(n, looks, C) log-probabilities."""
    ids, table = np.load(folder / "ids.npy"), np.load(folder / "dynamics.npy")
    order = np.argsort(ids)
    found = order[np.searchsorted(ids, sought.ids[sought.ids >= 0], sorter=order)]
    return filled(table[found], sought.ids >= 0)


def read_embeddings(folder: Path, sought: RowLookup) -> Array:
    """(n, H) float32."""
    table = np.load(folder / "embeddings.npy", mmap_mode="r")
    return filled(table[sought.places[sought.places >= 0]], sought.places >= 0)


def read_tokens(folder: Path, sought: RowLookup) -> Array:
    """(n, L) token ids, -1 beyond a text's end."""
    table = spans.padded(np.load(folder / "input_ids.npy"), *spans.read(folder))
    return filled(table[sought.places[sought.places >= 0]], sought.places >= 0)


READERS: Mapping[str, Callable[[Path, RowLookup], Array]] = {
    **dict.fromkeys((QUALITY, DIVERSITY, QUALITY_OOF, DIVERSITY_OOF), read_scores),
    DYNAMICS: read_dynamics,
    **dict.fromkeys((EMBEDDINGS, REAL_EMBEDDINGS), read_embeddings),
    **dict.fromkeys((TOKENS, REAL_TOKENS), read_tokens),
}
