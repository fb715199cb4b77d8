"""Reads the precomputed tables that methods require."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.arrays import Array, BoolArray, IntArray
from bench.precomputed import token_spans
from bench.store.layout import TRAIN_SCORES
from bench.store.tables import write_columns
from methods.context import (
    COLUMN,
    DIVERSITY,
    DIVERSITY_OOF,
    DIVERSITY_REAL,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
)


class RowLookup(NamedTuple):
    """The rows of a precomputed table that a cell reads, -1 for rows without an entry."""

    ids: IntArray  # (n,) for tables of scores
    places: IntArray  # (n,) in the token table, for tables in its order
    n_classes: int


def fill_rows(values: Array, where: BoolArray) -> Array:
    """(n, ...) `values` in the rows where a mask (n,) is true, 0 in the others."""
    out = np.zeros((len(where), *values.shape[1:]), values.dtype)
    out[where] = values
    return out


def write_scores(path: Path, ids: IntArray, values: Array, name: str, **columns: IntArray) -> None:
    """Write a table in id order: id, further columns, and one float32 column per class."""
    classes = {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    write_columns(pd.DataFrame({"id": ids, **columns, **classes}).sort_values("id"), path)


def read_scores(folder: Path, lookup: RowLookup) -> Array:
    """(n, C) log-probabilities. Raises LookupError for other classes, or scores that are missing or not finite."""
    frame = pd.read_parquet(folder / TRAIN_SCORES).set_index("id")
    if list(frame) != [f"logp_{k}" for k in range(lookup.n_classes)]:
        columns = ", ".join(map(str, frame))
        raise LookupError(
            f"{folder} has the columns {columns}, not one for each of {lookup.n_classes} classes in their order"
        )
    values = frame.reindex(lookup.ids[lookup.ids >= 0]).to_numpy(np.float32)
    if not np.isfinite(values).all():
        raise LookupError(f"{folder} has no finite scores for some of the {len(lookup.ids)} rows")
    return fill_rows(values, lookup.ids >= 0)


def read_dynamics(folder: Path, lookup: RowLookup) -> Array:
    """(n, snapshots, C) log-probabilities."""
    ids, table = np.load(folder / "ids.npy"), np.load(folder / "dynamics.npy")
    order = np.argsort(ids)
    rows = order[np.searchsorted(ids, lookup.ids[lookup.ids >= 0], sorter=order)]
    return fill_rows(table[rows], lookup.ids >= 0)


def read_embeddings(folder: Path, lookup: RowLookup) -> Array:
    """(n, H) float32."""
    table = np.load(folder / "embeddings.npy", mmap_mode="r")
    return fill_rows(table[lookup.places[lookup.places >= 0]], lookup.places >= 0)


def read_tokens(folder: Path, lookup: RowLookup) -> Array:
    """(n, L) token ids, -1 beyond a text's end."""
    table = token_spans.padded(np.load(folder / "input_ids.npy"), *token_spans.read(folder))
    return fill_rows(table[lookup.places[lookup.places >= 0]], lookup.places >= 0)


def read_column(folder: Path, lookup: RowLookup) -> Array:
    """(n,) float32 values of an extra column of the generated file."""
    values = pd.read_parquet(folder / "column.parquet").set_index("id")["value"]
    return fill_rows(values.reindex(lookup.ids[lookup.ids >= 0]).to_numpy(np.float32), lookup.ids >= 0)


def reader(name: str) -> Callable[[Path, RowLookup], Array]:
    """The function that reads the required table `name`."""
    return read_column if name.startswith(COLUMN) else READERS[name]


READERS: Mapping[str, Callable[[Path, RowLookup], Array]] = {
    **dict.fromkeys((QUALITY, DIVERSITY, QUALITY_OOF, DIVERSITY_OOF, DIVERSITY_REAL), read_scores),
    DYNAMICS: read_dynamics,
    **dict.fromkeys((EMBEDDINGS, REAL_EMBEDDINGS), read_embeddings),
    **dict.fromkeys((TOKENS, REAL_TOKENS), read_tokens),
}
