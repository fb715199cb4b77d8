"""Measures how cost grows with cells, rows, text length and workers. The encoder is tiny, so overheads dominate."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.errors import plural
from tests.performance import page
from tests.performance.encoders import TINY, make
from tests.performance.work import Run, grid

WORDS = ("good", "bad", "day", "work", "coffee", "never", "love", "hate", "phone", "late", "home", "song")
SMALL = ("--methods", "ce,focal", "--preset", "smoke")  # eight updates of eight rows per cell


def measure(
    cells: Sequence[int], rows: Sequence[int], lengths: Sequence[int], path: Path, say: Callable[[str], None]
) -> None:
    """Run each of the four series, and write the section of the page at `path`."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        encoder = make(home / "tiny", TINY)
        real = write(home / "real.jsonl", 400, 12, seed=1)
        test = write(home / "test.jsonl", 200, 12, seed=2)
        texts = write(home / "texts.jsonl", 64, 12)

        def run(name: str, generated: Path, *options: str) -> Run:
            places = ("--generated", generated, "--real", real, "--test", test, "--encoder", encoder)
            result = grid(home / name, *SMALL, *places, *options)
            say(f"{name}: {result.wall:.1f} s, worker {result.worker / 2**20:.0f} MiB")
            return result

        by_cells = [(f"{n:,} cells", run(f"cells-{n}", texts, "--seeds", str(max(1, n // 2)))) for n in cells]
        by_rows = [
            (
                f"{n:,} rows",
                run(f"rows-{n}", write(home / f"{n}.jsonl", n, 12), "--generated_rows=none", "--seeds", "1"),
            )
            for n in rows
        ]
        by_length = [
            (
                f"{n} words",
                run(
                    f"length-{n}",
                    write(home / f"w{n}.jsonl", 1000, n),
                    "--max_length=128",
                    "--updates=32",
                    "--seeds",
                    "2",
                ),
            )
            for n in lengths
        ]
        middle = str(max(2, min(cells, key=lambda n: abs(n - 100)) // 2))
        by_workers = [
            (plural(n, "worker"), run(f"workers-{n}", texts, "--seeds", middle, "--workers", str(n))) for n in (1, 2)
        ]
    series = [*by_cells, *by_workers, *by_rows, *by_length]
    per_cell = [(big[1].wall - small[1].wall) for small, big in itertools.pairwise(by_cells)]
    more = [b - a for a, b in itertools.pairwise(cells)]
    growth = "; ".join(
        f"from {a:,} to {b:,} cells {1000 * wall / count:.0f} ms per cell"
        for a, b, wall, count in zip(cells[:-1], cells[1:], per_cell, more, strict=True)
    )
    page.put(
        path,
        "How cost grows",
        [
            "A BERT of two blocks of width 32 with random weights, `ce` and `focal`, eight updates of eight rows: most "
            "of the time is scheduling, storing and reporting. Whole commands, start-up included.",
            page.table(
                ["", "seconds", "processor seconds", "largest worker, MiB", "sum of each other process's largest, MiB"],
                [
                    [name, f"{r.wall:.1f}", f"{r.cpu:.1f}", f"{r.worker / 2**20:.0f}", f"{r.others / 2**20:.0f}"]
                    for name, r in series
                ],
            ),
            f"On two workers, training, storing and reporting included: {growth}." if growth else "",
        ],
    )


def write(path: Path, rows: int, words: int, seed: int = 0) -> Path:
    """Write `rows` rows of `words` random words and two labels to a JSON-lines file."""
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = " ".join([str(number), *rng.choices(WORDS, k=words)])
            file.write(json.dumps({"text": text, "label": ("no", "yes")[number % 2]}) + "\n")
    return path
