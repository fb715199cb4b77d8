"""Tables as CSV in which no text is a formula to a spreadsheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins like this is a formula to a spreadsheet
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def is_formula(cell: Any) -> bool:
    """Whether a cell is a text that a spreadsheet would run. Numbers as texts are not."""
    return isinstance(cell, str) and cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)


def harmless(cell: Any) -> Any:
    """The cell, with `'` in front if it is a formula."""
    return f"'{cell}" if is_formula(cell) else cell


def csv_of(frame: pd.DataFrame) -> tuple[str, int]:
    """A table as CSV without its index, and how many of its cells got `'` in front. Names of columns are cells too."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    escaped, count = frame.rename(columns=harmless), sum(map(is_formula, frame.columns))
    for place, dtype in enumerate(frame.dtypes):
        if not is_numeric_dtype(dtype):
            cells = frame.iloc[:, place].tolist()
            column: Any = pd.Series(map(harmless, cells), frame.index, dtype=object)  # an array would be given a type
            escaped.isetitem(place, column)
            count += sum(map(is_formula, cells))
    return escaped.to_csv(index=False, lineterminator="\n"), count
