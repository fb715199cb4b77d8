"""The file that `--to` names, checked before anything is computed for it, and texts in CSV that no spreadsheet runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins like this is a formula to a spreadsheet
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def writable(path: Path) -> None:
    """Raise UserError for a path at which no file can be written."""
    if path.is_dir():
        raise UserError(f"--to {path} is a folder; give it the name of a file")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UserError(f"--to {path}: {parent} is a file, not a folder")


def without_formulas(frame: pd.DataFrame, names: Iterable[str]) -> tuple[pd.DataFrame, int]:
    """The table with `'` before each text of some columns that a spreadsheet would run, and how many. Numbers stay."""
    frame, count = frame.copy(), 0
    for name in names:
        runs = [
            isinstance(cell, str) and cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) for cell in frame[name]
        ]
        frame[name] = [f"'{cell}" if run else cell for cell, run in zip(frame[name], runs, strict=True)]
        count += sum(runs)
    return frame, count
