"""Small files of a user for tests: rows of two classes with different texts."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

from tasks import TaskData, load
from tasks.reading import Readings

PLACES = ("harbour", "mill", "station", "bakery", "library", "ferry")
WORDS = {"good": ("lovely", "calm", "quick", "bright"), "bad": ("rude", "slow", "damp", "noisy")}
Rows = list[dict[str, Any]]


def made(count: int, seed: int, start: int) -> Rows:
    """Rows of two classes with different texts."""
    rng = random.Random(seed)
    return [
        {
            "text": f"The {rng.choice(PLACES)} was {rng.choice(WORDS[label])} on day {start + day}, even.",
            "label": label,
        }
        for day, label in enumerate(["good", "bad"] * (count // 2))
    ]


REAL, TEST, GENERATED = made(60, 1, 0), made(40, 2, 1000), made(80, 3, 2000)


def write(path: Path, rows: Rows) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def read(folder: Path, generated: Rows, readings: Readings | None = None, **roles: Rows) -> TaskData:
    files = {"real": REAL, "test": TEST, "generated": generated, **roles}
    places: Any = {role: write(folder / f"{role}.csv", rows) for role, rows in files.items()}
    return load("files", places=places, readings=readings or {})


def warnings(data: TaskData) -> tuple[str, ...]:
    return tuple(map(str, data.findings))
