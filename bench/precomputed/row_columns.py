"""Columns of the generated file, such as `score`, as tables for the methods that declare them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.jobs import ColumnJob
from bench.store.files import write_json
from bench.store.folders import finish
from bench.store.tables import write_columns


def build(job: ColumnJob) -> dict[str, Any]:
    """Write `column.parquet` (id, value) and, for a column of groups, their names. Returns the counts."""
    values = np.asarray(job.values, dtype=np.float32)
    write_columns(pd.DataFrame({"id": np.asarray(job.ids), "value": values}), job.folder / "column.parquet")
    write_json(job.folder / "column.json", {"column": job.column, "names": list(job.names)})
    counts = {"rows": len(values), "groups": len(job.names)}
    finish(job.folder, counts)
    return counts
