"""Hidden columns: facts about a cell's rows that no method may see, such as labels before noise, true probabilities.

The process that plans a grid writes them to the store. Jobs do not name them, so no worker ever holds them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bench.store.files import whole_folder
from bench.store.folders import State, finish, state
from bench.store.layout import precomputed_path
from bench.store.leases import exclusive
from bench.store.tables import read_table
from tasks import Rows

if TYPE_CHECKING:
    import pandas as pd

FILE = "record.parquet"
KIND = "record"  # of the precomputed table


def save(hidden: Mapping[str, Rows], root: Path) -> None:
    """Write the hidden columns that the store lacks, by the ids of `hidden`.

    Columns: id, label (as methods see it), and the hidden ones; an (n, C) array has a column per class.
    """
    import pandas as pd

    for identity, rows in hidden.items():
        folder = precomputed_path(root, KIND, identity)
        if state(folder) is State.DONE:
            continue
        columns = {"id": rows.ids, "label": rows.labels}
        for name, values in rows.hidden.items():
            wide = values.ndim > 1
            columns.update({f"{name}_{k}": values[:, k] for k in range(values.shape[1])} if wide else {name: values})
        with exclusive(root):  # another run may be about to write the same columns
            if state(folder) is State.DONE:
                continue
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or left half-written
            with whole_folder(folder) as part:
                pd.DataFrame(columns).to_parquet(part / FILE, index=False)
                finish(part, {"rows": len(rows)}, folder.name)


def read(root: Path, identity: str | None) -> pd.DataFrame | None:
    """Hidden columns by id, None if the store has none."""
    path = precomputed_path(root, KIND, identity) / FILE if identity else None
    return (
        read_table(
            path, {"id": "key", "label": "whole", "label_clean?": "whole", "copy_of?": "whole", "cluster?": "whole"}
        )
        if path is not None and path.exists()
        else None
    )
