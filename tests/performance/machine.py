"""Measures this machine: the speed of matrix products and of memory, in as many processes as there are workers."""

from __future__ import annotations

import multiprocessing
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

SHAPES = (
    (1024, 384, 384),
    (1024, 384, 1536),
    (1024, 1536, 384),
    (2048, 2048, 2048),
)  # (rows, in, out): those of MiniLM, and a large one
TRIES = 40
BYTES = 2**28  # of the array that is copied: larger than any cache


def peak(workers: int) -> float:
    """FLOP/s in float32 of processes of one thread that multiply at the same time, each at its best shape."""
    return float(sum(max(each) for each in side_by_side(multiply, workers)))


def bandwidth(workers: int) -> float:
    """Bytes per second read and written by processes that copy at the same time."""
    return float(sum(side_by_side(copy, workers)))


def side_by_side(task: Callable[[], Any], workers: int) -> list[Any]:
    """The results of a task in each of several processes at the same time."""
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        results = [pool.apply_async(task) for _ in range(workers)]
        return [each.get() for each in results]


def multiply() -> list[float]:
    """FLOP/s of `linear` on one thread, for each shape."""
    import torch

    torch.set_num_threads(1)
    rates = []
    for rows, inner, outer in SHAPES:
        a, b = torch.randn(rows, inner), torch.randn(outer, inner)
        rates.append(2 * rows * inner * outer / seconds(lambda a=a, b=b: torch.nn.functional.linear(a, b)))  # type: ignore[misc]
    return rates


def copy() -> float:
    """Bytes per second of a copy; reading and writing are both counted."""
    import torch

    torch.set_num_threads(1)
    a, b = torch.zeros(BYTES // 4), torch.zeros(BYTES // 4)
    return 2 * BYTES / seconds(lambda: b.copy_(a))


def seconds(run: Callable[[], Any], wait: Callable[[], Any] = lambda: None) -> float:
    """Median seconds of a call of `run`, until `wait` returns."""
    durations = []
    for _ in range(TRIES):
        began = time.perf_counter()
        run()
        wait()
        durations.append(time.perf_counter() - began)
    return median(durations)


def described() -> str:
    """Processor, cores, memory and versions, without the name of the machine."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    flags = next((line for line in lines if line.startswith("flags")), "")
    wide = [name for name in ("avx2", "avx512f", "amx_tile") if f" {name}" in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in ("torch", "transformers"))
    cores = len(os.sched_getaffinity(0))
    return f"{model} ({' '.join(wide) or 'no wide vectors'}), {cores} cores, {memory:.0f} GiB, {versions}"


def commit() -> str:
    """The commit that is measured; `-dirty` is added if files differ from it."""
    root = Path(__file__).parents[2]
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"], cwd=root, capture_output=True, text=True, check=False
    )
    return described.stdout.strip() or "no commit"


def command() -> str:
    """The command line."""
    return " ".join(["python -m tests.performance", *sys.argv[1:]])
