"""Times a grid on CPUs against one `Trainer` process per cell, and computes each way's share of the peak FLOP/s."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.config.settings import PRESETS
from tests.performance import machine, naive, page
from tests.performance.flops import Shape
from tests.performance.work import ROOT, Material, Run, cells, computed, grid, operations

METHODS = ("ce", "focal", "superloss", "dimp", "imp")
PADDINGS = {"padded to 128": 128, "padded to 64": 64, "dynamic padding": None}


@dataclass(frozen=True)
class Sizes:
    """The size of the measurement."""

    seeds: int = 3  # of our grid
    updates: int = 8  # for which a Trainer cell is timed
    rows: int = 64  # test rows on which a Trainer cell is timed
    repeats: int = 1  # of everything, alternating
    preset: str = "full"
    methods: tuple[str, ...] = METHODS
    encoder: str | None = None
    test_rows: int = 500  # of the grid
    workers: int | None = None


def measure(sizes: Sizes, path: Path, say: Callable[[str], None]) -> None:
    """Time our grid and the Trainer ways in alternation, and write the section of the page at `path`."""
    settings = PRESETS[sizes.preset].settings
    material = Material.of(sizes.encoder, settings.max_length, sizes.test_rows)
    shape, updates = Shape.of(material.folder), settings.resolved(len(material.data.generated)).updates or 0
    workers = sizes.workers or len(os.sched_getaffinity(0))
    top = machine.peak(workers)
    traffic = machine.bandwidth(workers)
    say(f"peak {top / 1e9:.0f} GFLOP/s, {traffic / 1e9:.0f} GB/s on {workers} processes")
    runs: list[Run] = []
    work: dict[str, float] = {}
    walls: dict[str, list[float]] = {}
    for number in range(sizes.repeats):
        with tempfile.TemporaryDirectory() as scratch:
            runs.append(grid(Path(scratch), *options(sizes, material)))
            work = operations(Path(scratch) / "runs", material, shape)
        say(f"run {number + 1}: ours {runs[-1].wall:.0f} s; {computed(runs[-1].output)}")
        for name, wall in naive_grids(sizes, material, updates).items():
            walls.setdefault(name, []).append(wall)
            say(f"run {number + 1}: {name} {wall:.0f} s")
    ours = median(run.wall for run in runs)
    ratios = {name: [one / run.wall for one, run in zip(seconds, runs, strict=True)] for name, seconds in walls.items()}
    rows = [["this project", f"{ours:.0f}", "1", share(work["counted"], ours, top)]]
    rows += [
        [name, f"{median(seconds):.0f}", spread(ratios[name]), share(work["counted"], median(seconds), top)]
        for name, seconds in walls.items()
    ]
    page.put(
        path,
        f"The grid on processors, preset {sizes.preset}",
        [
            material.described(),
            f"{len(sizes.methods)} methods ({', '.join(sizes.methods)}) x {sizes.seeds} seeds with their checkers, "
            f"{updates} updates each, {len(material.lengths['test'])} test rows. Ours is the wall-clock time of the "
            f"whole command on {workers} workers of one thread, start-up and report included. A Trainer grid is "
            f"{len(cells(sizes.methods, sizes.seeds))} processes one after the other on all cores; the seconds of the "
            f"start, of an update and of a test row were measured for each kind of cell ({sizes.updates} updates, "
            f"{sizes.rows} rows) and multiplied. Repeats: {sizes.repeats}, alternating.",
            page.table(["way", "seconds", "times ours", "share of the GEMM peak"], rows),
            f"GEMM peak, measured with {workers} processes: {top / 1e9:.0f} GFLOP/s; memory: {traffic / 1e9:.0f} GB/s. "
            "The share counts the FLOPs of the whole model on real tokens, without padding and without scores of "
            f"checkers that are computed again. Ours executed {work['executed'] / work['counted']:.0%} of them, "
            f"{share(work['executed'], ours, top)} of the peak. "
            f"Largest worker: {max(run.worker for run in runs) / 2**30:.2f} GiB.",
            f"Ours computed {computed(runs[-1].output)}.",
        ],
    )


def options(sizes: Sizes, material: Material) -> list[str]:
    """The options of `bench run` for the grid."""
    always = [
        *("--methods", ",".join(sizes.methods), "--tasks", "twitter", "--source", material.source),
        *("--seeds", str(sizes.seeds), "--preset", sizes.preset, "--test-size", str(sizes.test_rows)),
    ]
    return [
        *always,
        *(["--encoder", sizes.encoder] if sizes.encoder else []),
        *(["--workers", str(sizes.workers)] if sizes.workers else []),
    ]


def naive_grids(sizes: Sizes, material: Material, updates: int) -> dict[str, float]:
    """Wall-clock seconds of each way to train the grid with `Trainer`."""
    trained = cells(sizes.methods, sizes.seeds)
    walls = {}
    for title, padding in PADDINGS.items():
        each = {kind: process(job(sizes, material, kind, padding))[0] for kind in sorted(set(trained))}
        walls[f"one Trainer process per cell, {title}"] = sum(whole(each[kind], updates, material) for kind in trained)
    first, second = process(job(sizes, material, "ce", None, count=2))
    warm = [first, *[second] * (len(trained) - 1)]
    walls["one warm Trainer loop, dynamic padding, scores cached"] = sum(whole(one, updates, material) for one in warm)
    return walls


def whole(one: dict[str, float], updates: int, material: Material) -> float:
    """Seconds of a whole Trainer cell, from the seconds of its parts."""
    return one["start"] + updates * one["step"] + len(material.lengths["test"]) * one["row"]


def job(sizes: Sizes, material: Material, method: str, padding: int | None, count: int = 1) -> naive.Job:
    """A Trainer cell; with `count` several in one process, which do not compute checkers' scores again."""
    rows, test, settings = material.data.generated, material.data.test, PRESETS[sizes.preset].settings
    return naive.Job(
        method=method,
        padding=padding,
        encoder=str(material.folder),
        texts=list(rows.texts),
        labels=rows.labels.tolist(),
        test_texts=list(test.texts[: sizes.rows]),
        test_labels=test.labels[: sizes.rows].tolist(),
        updates=sizes.updates,
        cells=count,
        cached=count > 1,
        batch_size=settings.batch_size,
        lr=settings.lr,
        max_length=settings.max_length,
    )


def process(trainer_job: naive.Job) -> list[dict[str, float]]:
    """The seconds of a job's cells and their parts, in a process of its own with torch's number of threads."""
    with tempfile.TemporaryDirectory() as scratch:
        path = naive.write(trainer_job, Path(scratch) / "job.json")
        done = subprocess.run(
            [sys.executable, "-m", "tests.performance.naive", path],
            capture_output=True,
            text=True,
            check=True,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        )
    seconds: list[dict[str, float]] = json.loads(done.stdout.strip().splitlines()[-1])["cells"]
    return seconds


def share(operations: float, seconds: float, top: float) -> str:
    """FLOPs per second as a share of the peak."""
    return f"{operations / seconds / top:.0%}"


def spread(ratios: list[float]) -> str:
    """The median, and the range of several ratios."""
    several = f" ({min(ratios):.1f} to {max(ratios):.1f})" if len(ratios) > 1 else ""
    return f"{median(ratios):.1f}{several}"
