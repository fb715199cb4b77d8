"""The files of a finished cell that a report reads: its cost, its environment, and a seal over the state of all."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.store.files import read_json
from bench.store.layout import HISTORY, PREDICTIONS, TIMING, TRAIN_SCORES, VERSIONS, WEIGHTS
from bench.store.schemas import Environment, Timing

Contents = Mapping[str, bytes]  # of files of a cell that were read already, by name
NONE_READ: Contents = {}


@dataclass(frozen=True)
class Cost:
    """What a training cost: rows passed forward and backward, and seconds. NaN where it is not known."""

    passes: float
    seconds: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.passes + other.passes, self.seconds + other.seconds)


def read_cost(folder: Path, contents: Contents = NONE_READ) -> Cost:
    """The cost in `timing.json`; scoring a row is a forward pass, a third of training on it."""
    try:
        timing = read_json(folder / TIMING, Timing, contents.get(TIMING))
    except FileNotFoundError:
        return Cost(math.nan, math.nan)
    passes = timing.get("passes", {})
    rows = number(passes.get("train_rows")) + number(passes.get("score_rows")) / 3
    return Cost(rows, number(timing.get("seconds")))


def read_environment(folder: Path, contents: Contents) -> dict[str, Any]:
    """The versions and the device in `env.json`; empty without this file."""
    try:
        return read_json(folder / VERSIONS, Environment, contents.get(VERSIONS))
    except FileNotFoundError:
        return {}


def number(value: float | None) -> float:
    """A number of a JSON file; NaN if it is absent or null."""
    return math.nan if value is None else float(value)


def seal_of(stored: bytes, folder: str | Path) -> str:
    """A hash that changes when the cell is trained again or a file is touched; `stored`: its `metrics.json`."""
    files = states(folder, (PREDICTIONS, TIMING, VERSIONS, HISTORY, WEIGHTS, TRAIN_SCORES))
    return hashlib.sha256(stored + files).hexdigest()


def states(folder: str | Path, names: Iterable[str]) -> bytes:
    """Name, size and time of change of some files of a folder, or that there is none."""
    found = []
    for name in names:
        try:
            status = os.stat(f"{folder}/{name}")
            found.append(f"{name} {status.st_size} {status.st_mtime_ns};")
        except OSError:
            found.append(f"no {name};")
    return "".join(found).encode()
