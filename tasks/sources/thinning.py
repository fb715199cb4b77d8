"""Keeps a sample of the rows of a large file while it is read, so that memory stays bounded.

A row is kept if the hash of its number is below a limit, which is halved whenever the kept rows become too large.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Generic, TypeVar

import xxhash

from tasks.errors import DataError

Row = TypeVar("Row")

BUDGET = 2**28  # bytes of kept rows, as Python holds them; what is computed from them takes as much again or more
MOST = 2**31  # the same where no row may be left out; more is an error
OF_CELL = 60  # bytes that Python needs for a text besides its characters
WHOLE = 2**64


class Thinned(Generic[Row]):
    """The rows of a file that are kept, each with its number in the file (from 0).

    With `whole` no row is left out.
    """

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self._path, self._whole = path, whole
        self.rows: list[Row] = []
        self.numbers: list[int] = []
        self.seen = 0
        self._sizes: list[int] = []
        self._size, self._limit = 0, WHOLE

    def add(self, row: Row, cells: Sequence[str]) -> None:
        """Keep the next row, or leave it out; `cells` is its content."""
        number, self.seen = self.seen, self.seen + 1
        self.keep(number, row, cells)

    def coming(self, count: int) -> list[int]:
        """The numbers of those of the next `count` rows that would be kept. They are seen; `keep` them one by one."""
        first, self.seen = self.seen, self.seen + count
        return [number for number in range(first, self.seen) if self._kept(number)]

    def keep(self, number: int, row: Row, cells: Sequence[str]) -> None:
        """Keep a row that was seen, unless its hash is above the limit by now.

        Raises `DataError` if no row may be left out and the rows become larger than `MOST`.
        """
        if not self._kept(number):
            return
        size = sum(map(len, cells)) + OF_CELL * len(cells)
        self.rows.append(row)
        self.numbers.append(number)
        self._sizes.append(size)
        self._size += size
        if self._whole:
            self._check_size()
            return
        while self._size > BUDGET and len(self.rows) > 1:
            self._thin()

    @property
    def note(self) -> tuple[str, ...]:
        """What was left out of the file."""
        if len(self.rows) == self.seen:
            return ()
        return (
            f"a random {len(self.rows):,} of the {self.seen:,} rows of {self._path.name}, which is too large for "
            "memory, were read, the same each time",
        )

    def _kept(self, number: int) -> bool:
        return self._limit == WHOLE or xxhash.xxh3_64_intdigest(str(number).encode()) < self._limit

    def _check_size(self) -> None:
        if self._size > MOST:
            raise DataError(
                f"{self._path}: its rows take more than {MOST / 1e9:.1f} GB of memory, and every row is needed here; "
                "cut the file into parts, or leave out columns that nothing needs"
            )

    def _thin(self) -> None:
        self._limit //= 2
        kept = [place for place, number in enumerate(self.numbers) if self._kept(number)]
        self.rows = [self.rows[place] for place in kept]
        self.numbers = [self.numbers[place] for place in kept]
        self._sizes = [self._sizes[place] for place in kept]
        self._size = sum(self._sizes)
