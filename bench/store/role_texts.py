"""The texts of a task's rows, kept in the store so that files of weights have them exactly and in source order.

The process that plans a grid writes them. Jobs do not name them: a worker reads tokens, never these tables.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.store.files import whole_folder
from bench.store.folders import State, finish, state
from bench.store.layout import precomputed_path
from bench.store.leases import exclusive
from bench.store.tables import read_table
from tasks import Rows

if TYPE_CHECKING:
    import pandas as pd

FILE = "texts.parquet"
KIND = "texts"  # of the precomputed table


def identity(rows: Rows) -> str:
    """The name of the table that holds these rows."""
    return rows.content_hash()[:20]


def save(texts: Mapping[str, Rows], root: Path) -> None:
    """Write the rows that the store lacks, by their ids: id, label, text and, for pairs, text_pair, in source order."""
    import pandas as pd

    for name, rows in texts.items():
        folder = precomputed_path(root, KIND, name)
        if state(folder) is State.DONE:
            continue
        pairs = {} if rows.pairs is None else {"text_pair": rows.pairs}
        with exclusive(root):  # another run may be about to write the same rows
            if state(folder) is State.DONE:
                continue
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or left half-written
            with whole_folder(folder) as part:
                frame = pd.DataFrame({"id": rows.ids, "label": rows.labels, "text": rows.texts, **pairs})
                frame.to_parquet(part / FILE, index=False)
                finish(part, {"rows": len(rows)}, folder.name)


def read(root: Path, name: str | None) -> pd.DataFrame:
    """The rows of a table by id, in source order. Raises UserError if the store has none."""
    folder = precomputed_path(root, KIND, name) if name else None
    if folder is None or not (folder / FILE).exists():
        raise UserError(
            f"{root} does not have the texts of these rows: their grid is of an earlier version or of a bundle "
            "without --texts, or they were removed; the grid's command with the same files writes them and trains no "
            "finished cell"
        )
    columns = {"id": "key", "label": "whole", "text": "text", "text_pair?": "text"}
    return read_table(folder / FILE, columns).set_index("id")  # type: ignore[arg-type]
