"""Takes rows that are in memory already: a pandas DataFrame, a `datasets.Dataset`, or dicts by row or by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import DataError, short_repr
from tasks.sources.table import Table, check_names_differ, rows_as_columns

if TYPE_CHECKING:
    import pandas as pd

MISSING = ("NAType", "NaTType")  # the types of pandas.NA and pandas.NaT


def table_of(rows: Any, role: str) -> Table:
    """The rows of a role as a table. Raises `DataError` if they are of another kind, or if there is none."""
    kind = type(rows).__name__
    name = f"{role} ({kind})"
    columns = _columns(rows, name)
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise DataError(f"{name}: the columns have different numbers of rows")
    if not lengths or lengths == {0}:
        raise DataError(f"{name}: no rows")
    return Table(name, columns, origin=f"a {kind} in memory")


def _columns(rows: Any, name: str) -> dict[str, list[Any]]:
    # Recognised by name, so that neither library is imported for somebody who uses the other.
    module = type(rows).__module__.partition(".")[0]
    if module == "pandas" and hasattr(rows, "columns"):
        return _of_frame(rows, name)
    if module == "datasets" and hasattr(rows, "column_names"):
        from tasks.sources.arrow_files import columns_of

        if isinstance(rows, Mapping):
            raise DataError(f"{name}: a dict of splits; give one of them: {', '.join(map(str, rows))}")
        if not hasattr(rows, "__len__"):
            raise DataError(f"{name}: a stream of rows; give datasets.Dataset.from_list(list(rows))")
        return columns_of(rows, name)
    if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        for number, row in enumerate(rows, start=1):
            if isinstance(row.get(None), list):  # as csv.DictReader keeps them
                raise DataError(f"{name}, row {number}: more fields than columns: {short_repr(row[None])}")
        rows = rows_as_columns([dict(row) for row in rows])
    if isinstance(rows, Mapping):
        check_names_differ(name, list(map(str, rows)))
        return {str(column): list(map(_present, cells)) for column, cells in rows.items()}
    raise DataError(f"{name}: rows must be a path, a DataFrame, a datasets.Dataset, a list of dicts or a dict of lists")


def _present(cell: Any) -> Any:
    """A cell; None for NaN and for the missing values of pandas, as in `_of_frame`."""
    nan = isinstance(cell, float | np.floating) and cell != cell
    return None if nan or type(cell).__name__ in MISSING else cell


def _of_frame(frame: pd.DataFrame, name: str) -> dict[str, list[Any]]:
    """The cells of a frame without its index; NaN and other missing values are None."""
    names = [str(column) for column in frame.columns]
    check_names_differ(name, names)
    cells = frame.astype(object).where(frame.notna(), None)
    return {column: cells.iloc[:, place].tolist() for place, column in enumerate(names)}
