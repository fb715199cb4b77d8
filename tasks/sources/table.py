"""The rows of one file or data set, or of several generations of rows, as columns of unchecked cells."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
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
    parts: tuple[Table, ...] = ()  # the generations that it holds one after the other; empty for one

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def fail(self, row: int, problem: str) -> NoReturn:
        """Raise the `DataError` for a row, counted from 0; the message counts from 1."""
        number = self.numbers[row] if self.numbers else row
        if self.parts:
            part = self.generations[row]
            self.parts[part].fail(number - sum(map(len, self.parts[:part])), problem)
        place = f"line {self.lines[row]}" if self.lines else f"row {number + 1}"
        raise DataError(f"{self.name}, {place}: {problem}")

    @property
    def generations(self) -> list[int]:
        """The generation (n,) of each row, from 0; all 0 where there is one."""
        ends = list(accumulate(map(len, self.parts)))
        numbers = self.numbers or list(range(len(self)))
        return [bisect_right(ends, number) for number in numbers] if ends else [0] * len(self)

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


def one_after_the_other(parts: Sequence[Table]) -> Table:
    """Generations of rows as one table. Raises `DataError` if their columns or the names of their labels differ."""
    first = parts[0]
    for part in parts[1:]:
        if set(part.columns) != set(first.columns):
            raise DataError(
                f"{part.name} has the columns {join_names(part.columns)}, and {first.name} has "
                f"{join_names(first.columns)}; generations have the same columns"
            )
        if part.label_names != first.label_names:
            raise DataError(f"{part.name} and {first.name} have cards with other names of labels")
    return Table(
        ", ".join(part.name for part in parts),
        {name: [cell for part in parts for cell in part.columns[name]] for name in first.columns},
        label_names=first.label_names,
        origin=", ".join(part.origin for part in parts),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        parts=tuple(parts),
    )


def rows_as_columns(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Lists of cells by column; None where a row lacks the column."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def check_names_differ(name: str, columns: Sequence[str]) -> None:
    """Raise `DataError` if a column name occurs twice in the file `name`."""
    if len(set(columns)) < len(columns):
        raise DataError(f"{name}: a column name occurs twice: {join_names(columns)}")


def in_any_case(columns: Iterable[str]) -> dict[str, str]:
    """The names of columns by their lower case without space around; of several that become one, the first."""
    return {name.strip().lower(): name for name in reversed(list(columns))}
