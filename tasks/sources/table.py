"""The rows of one file or data set as columns of unchecked cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from tasks.errors import DataError, did_you_mean, join_names


@dataclass(frozen=True)
class Table:
    """The n rows of one file, unchecked. A missing cell is None."""

    name: str  # as errors call the file
    columns: dict[str, list[Any]]  # each of length n >= 1
    lines: list[int] | None = None  # the line number of each row, for formats of one row a line
    label_names: tuple[str, ...] | None = None  # the meaning of integer labels, if a card beside the file says so
    origin: str = ""  # what the rows are, without the path: a file's name, or a hub place with its commit
    notes: tuple[str, ...] = ()  # what was counted or left out during reading
    numbers: list[int] | None = None  # the row number of each row in the file, from 0, where rows were left out

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def fail(self, row: int, problem: str) -> NoReturn:
        """Raise the `DataError` for a row, counted from 0; the message counts from 1."""
        number = self.numbers[row] if self.numbers else row
        place = f"line {self.lines[row]}" if self.lines else f"row {number + 1}"
        raise DataError(f"{self.name}, {place}: {problem}")

    def column(self, name: str, hint: str = "") -> list[Any]:
        """The cells (n,) of a column. Raises `DataError` that lists the columns if there is none of this name.

        `hint` ends the message.
        """
        if name not in self.columns:
            present = join_names(self.columns)
            close = did_you_mean(name, self.columns)
            raise DataError(f"{self.name}: no column {name!r}; columns: {present}{close}{hint}")
        return self.columns[name]

    def take(self, rows: Sequence[int]) -> Table:
        """The table with some of its rows; `numbers` holds where they were."""
        return replace(
            self,
            columns={name: [cells[row] for row in rows] for name, cells in self.columns.items()},
            lines=[self.lines[row] for row in rows] if self.lines else None,
            numbers=[self.numbers[row] for row in rows] if self.numbers else list(rows),
        )


def rows_as_columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lists of cells by column; None where a row lacks the column."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def check_names_differ(name: str, columns: Sequence[str]) -> None:
    """Raise `DataError` if a column name occurs twice in the file `name`."""
    if len(set(columns)) < len(columns):
        raise DataError(f"{name}: a column name occurs twice: {join_names(columns)}")
