"""A data set whose rows carry their numbers, and a collator that puts the numbers beside a batch.

A method reads tables of the training rows, and the loop of `transformers.Trainer` does not say which rows a batch has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset

ROW = "row_number"  # the key of the number in a row, and of the numbers (B,) in a batch
Collator = Callable[[list[Any]], Any]


class Numbered(Dataset[Any]):
    """The rows of a data set, each with its number under the key `row_number`."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {**self.rows[int(number)], ROW: int(number)}


class NumberedCollator:
    """A collator that adds the numbers of the rows (B,) to the batch of another one, where the rows have numbers."""

    def __init__(self, collator: Collator) -> None:
        self.collator = collator

    def __call__(self, rows: list[Any]) -> Any:
        numbers = [row[ROW] for row in rows if isinstance(row, dict) and ROW in row]
        if not numbers:
            return self.collator(rows)
        batch = self.collator([{key: value for key, value in row.items() if key != ROW} for row in rows])
        batch[ROW] = torch.tensor(numbers)
        return batch
