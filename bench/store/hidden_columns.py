"""Hidden columns: facts about a cell's rows that no method may see, such as labels before noise, true probabilities.

The process that plans a grid writes them to the store. Jobs do not name them, so no worker ever holds them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.store.layout import precomputed_path
from bench.store.tables import Kind, read_table, save_absent
from tasks import Rows

if TYPE_CHECKING:
    import pandas as pd

FILE = "record.parquet"
KIND = "record"  # of the precomputed table
COLUMNS: Mapping[str, Kind] = {
    "id": "key",
    "label": "whole",
    "label_clean?": "whole",
    "copy_of?": "whole",
    "cluster?": "whole",
}


def save(hidden: Mapping[str, Rows], root: Path) -> None:
    """Write the hidden columns that the store lacks, by the ids of `hidden`.

    Columns: id, label (as methods see it), and the hidden ones; an (n, C) array has a column per class.
    """
    save_absent(root, KIND, FILE, hidden, hidden_ones)


def hidden_ones(rows: Rows) -> dict[str, Any]:
    """The columns of rows by name."""
    columns = {"id": rows.ids, "label": rows.labels}
    for name, values in rows.hidden.items():
        wide = values.ndim > 1
        columns.update({f"{name}_{k}": values[:, k] for k in range(values.shape[1])} if wide else {name: values})
    return columns


def read(root: Path, identity: str | None) -> pd.DataFrame | None:
    """Hidden columns by id, None if the store has none."""
    path = precomputed_path(root, KIND, identity) / FILE if identity else None
    if path is None or not path.exists():
        return None
    return read_table(path, COLUMNS)
