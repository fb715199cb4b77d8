"""Columns of a file besides text and label, such as `score` or `group`, as numbers that a method can read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tasks.errors import DataError, did_you_mean, join_names, short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.rows import Rows

MOSTLY = 0.5  # a column with a larger share of numbers is one of numbers, and its other cells are errors


def column_values(rows: Rows, name: str, where: str) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(n,) the values of an extra column, and the names that they stand for.

    Numbers are taken as they are, and there are no names. Other cells are names of groups: the value k is the k-th of
    the different names, which are sorted. `where` begins error messages. Raises `DataError` if there is no such column,
    for a missing cell, and for text in a column of numbers.
    """
    import numpy as np

    if name not in rows.columns:
        known = join_names(rows.columns)
        raise DataError(
            f"{where}: no column {name!r} besides text and label; columns: {known}{did_you_mean(name, rows.columns)}"
        )
    cells = rows.columns[name]
    numbers = [_number(cell) for cell in cells]
    for identity, cell in zip(rows.ids, cells, strict=True):
        if cell is None or (isinstance(cell, float) and math.isnan(cell)) or not str(cell).strip():
            raise DataError(f"{where}, row {identity + 1}: {name} is missing; fill it in, or leave the row out")
    if sum(number is not None for number in numbers) > MOSTLY * len(cells):
        for identity, cell, number in zip(rows.ids, cells, numbers, strict=True):
            if number is None:
                raise DataError(f"{where}, row {identity + 1}: {name} is {short_repr(cell)}, not a finite number")
        return np.array(numbers, dtype=np.float64), ()
    names = sorted({str(cell).strip() for cell in cells})
    place = {group: k for k, group in enumerate(names)}
    return np.array([place[str(cell).strip()] for cell in cells], dtype=np.float64), tuple(names)


def _number(cell: Any) -> float | None:
    """The finite number in a cell; None for anything else. True is 1."""
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
