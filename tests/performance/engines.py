"""Measures a grid of trivially small cells on each engine: cells per second, memory, and the size of the store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.performance import page
from tests.performance.encoders import TINY, make
from tests.performance.scaling import SMALL, write
from tests.performance.work import grid

HEAD = ("engine", "cells", "seconds", "ms a cell", "command, MiB", "largest other, MiB", "store, MiB", "files a cell")


def measure(cells: Sequence[int], engines: Sequence[str], path: Path, say: Callable[[str], None]) -> None:
    """Run a grid of each size on each engine, and write the section of the page at `path`."""
    table = []
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        files = {"generated": write(home / "texts.jsonl", 64, 12), "real": write(home / "real.jsonl", 400, 12, seed=1)}
        files |= {"test": write(home / "test.jsonl", 200, 12, seed=2), "encoder": make(home / "tiny", TINY)}
        places = [f"--{name}={path}" for name, path in files.items()]
        for engine in engines:
            for count in cells:
                folder = home / f"{engine}-{count}"
                own = ("--seeds", str(max(1, count // 2)), "--engine", engine, "--workers", "2")
                run = grid(folder, *SMALL, *places, *own)
                sizes = [file.stat().st_size for file in (folder / "runs").rglob("*") if file.is_file()]
                table.append(
                    [
                        *(engine, f"{count:,}", f"{run.wall:.0f}", f"{1000 * run.wall / count:.0f}"),
                        *(f"{value / 2**20:,.0f}" for value in (run.command, run.worker, sum(sizes))),
                        f"{len(sizes) / count:.1f}",
                    ]
                )
                say(" | ".join(table[-1]))
    page.put(
        path,
        "Many cells on each engine",
        [
            "A BERT of two blocks of width 32 with random weights, `ce` and `focal`, eight updates of eight rows, two "
            "workers, no figures. Whole commands, start-up and report included.",
            page.table(HEAD, table),
        ],
    )
