"""The texts of a task's rows, kept in the store so that files of weights have them exactly and in source order.

The process that plans a grid writes them. Jobs do not name them: a worker reads tokens, never these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UserError
from bench.store.layout import precomputed_path
from bench.store.tables import Kind, read_table, save_absent
from tasks import Rows

if TYPE_CHECKING:
    import pandas as pd

FILE = "texts.parquet"
KIND = "texts"  # of the precomputed table
COLUMNS: Mapping[str, Kind] = {"id": "key", "label": "whole", "text": "text", "text_pair?": "text"}


def identity(rows: Rows) -> str:
    """The name of the table that holds these rows."""
    return rows.content_hash()[:20]


def save(texts: Mapping[str, Rows], root: Path) -> None:
    """Write the rows that the store lacks, by their ids: id, label, text and, for pairs, text_pair, in source order."""
    save_absent(root, KIND, FILE, texts, text_columns)


def text_columns(rows: Rows) -> dict[str, Any]:
    """The columns of rows by name."""
    pairs = {} if rows.pairs is None else {"text_pair": rows.pairs}
    return {"id": rows.ids, "label": rows.labels, "text": rows.texts, **pairs}


def read(root: Path, name: str | None) -> pd.DataFrame:
    """The rows of a table by id, in source order. Raises UserError if the store has none."""
    folder = precomputed_path(root, KIND, name) if name else None
    if folder is None or not (folder / FILE).exists():
        raise UserError(
            f"{root} does not have the texts of these rows: their grid is of an earlier version or of a bundle "
            "without --texts, or they were removed; the grid's command with the same files writes them and trains no "
            "finished cell"
        )
    return read_table(folder / FILE, COLUMNS).set_index("id")
