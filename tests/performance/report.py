"""Times `bench report` on a simulated store of 10,000 cells of 2,000 test rows.

    python -m tests.performance.report [--cells 10000] [--rows 2000] [--folder DIR]

Prints wall-clock seconds, processor seconds, and the largest resident memory of all processes of `bench report`, if all
cells are new, if none is, and if one was trained again. Wall-clock seconds depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench.store.files import write_json, write_text
from bench.store.folders import finish
from bench.store.layout import cell_path
from bench.store.manifest import save

ROOT = Path(__file__).parents[2]

TASKS, METHODS = 10, 40  # the number of seeds follows from the number of cells
CORE = 8  # confirmatory methods, besides the baseline
STEPS = 48
POLL = 0.2  # seconds between two readings of the processes
ENVIRONMENT = {"code": "c0de", "device": "cpu", "python": "3.11", "torch": "2.13.0", "transformers": "5.24.0"}


def main() -> None:
    """Make the store if it does not exist, and time four reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cells", type=int, default=10_000, help="cells of the store [default: 10000]")
    parser.add_argument("--rows", type=int, default=2_000, help="test rows of a cell [default: 2000]")
    parser.add_argument("--folder", type=Path, help="keep the store here [default: a temporary folder]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        began = time.perf_counter()
        store = folder / "runs"
        if not store.exists():
            generate(store, max(arguments.cells // (TASKS * METHODS), 2), arguments.rows)
        count = sum(1 for _ in store.glob("*/*/*/metrics.json"))
        print(f"store: {count:,} cells of {arguments.rows:,} rows, {time.perf_counter() - began:.0f} s", flush=True)
        for kept in store.glob("*/.scores.npz"):
            kept.unlink()
        for title in ("all cells new", "nothing new"):
            timed(title, store, folder / "reports")
        train_again(store)
        timed("one cell new", store, folder / "reports")
        timed("nothing new, tables only", store, folder / "tables", "--no-figures")


def timed(title: str, store: Path, reports: Path, *options: str) -> None:
    """Run `bench report`, and print its seconds and memory."""
    command = [sys.executable, "-m", "bench", "report", "--out", str(store), "--reports", str(reports), *options]
    began = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    busy: dict[int, float] = {}  # processor seconds of each process of the command
    most = 0
    while process.poll() is None:
        resident = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in (process, *process.children(recursive=True)):
                resident += one.memory_info().rss
                times = one.cpu_times()
                busy[one.pid] = times.user + times.system
        most = max(most, resident)
        time.sleep(POLL)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    wall, cores = time.perf_counter() - began, sum(busy.values())
    print(f"{title:26} {wall:6.1f} s, {cores:6.1f} s of processors, {most / 2**30:5.2f} GiB", flush=True)


def generate(store: Path, seeds: int, rows: int) -> None:
    """Simulate cells from the crossed model: difficulty of a row, skill of a method, luck of a seed."""
    sections = []
    for place in range(TASKS):
        rng = np.random.default_rng(place)
        task, labels = f"task{place}", rng.integers(2, size=rows)
        hard = rng.normal(size=rows)
        entries = [method(store, task, name, seeds, labels, hard, rng) for name in range(METHODS)]
        sections.append(section(task, seeds, labels, entries))
    save(
        {"schema": 1, "command": "python -m tests.performance.report", "references_missing": [], "sections": sections},
        store,
    )


def method(store: Path, task: str, place: int, seeds: int, labels: Any, hard: Any, rng: Any) -> dict[str, Any]:
    """Write the cells of one method; returns its entry in the manifest."""
    name = "ce" if place == 0 else f"method{place}"
    skill, cells = 0.8 + 0.01 * rng.normal(), {}
    for seed in range(seeds):
        folder = cell_path(store, task, name, f"{seed:020x}")
        luck = skill + 0.05 * rng.normal()
        logits = rng.normal(size=(len(labels), 2)).astype(np.float32)
        logits[np.arange(len(labels)), labels] += luck - hard
        cell(
            folder,
            labels,
            logits,
            {"task": task, "task_ref": task, "method": name, "label": name, "seed": seed, "code": "1:c0de"},
        )
        cells[str(seed)] = str(folder.relative_to(store))
    return {
        "label": name,
        "method": name,
        "hyperparameters": {},
        "core": place <= CORE,
        "real_use": "none",
        "pairing": "full",
        "real_rows": 0,
        "cells": cells,
        "needs": {},
    }


def cell(folder: Path, labels: Any, logits: Any, spec: dict[str, Any]) -> None:
    """Write those files of a trained cell that a report reads."""
    folder.mkdir(parents=True)
    columns = {"id": np.arange(len(labels)), "label": labels, "logit_0": logits[:, 0], "logit_1": logits[:, 1]}
    pq.write_table(pa.table(columns), folder / "predictions.parquet")
    history = [{"step": step, "epoch": 0, "loss": 0.7 * 0.98**step, "ess": 0.9} for step in range(STEPS)]
    write_text(folder / "history.jsonl", "".join(json.dumps(row) + "\n" for row in history))
    write_json(folder / "spec.json", spec)
    write_json(folder / "env.json", ENVIRONMENT)
    write_json(folder / "timing.json", {"seconds": 8.0, "passes": {"train_rows": 1536, "score_rows": 3000}})
    finish(folder, {"accuracy": float((logits.argmax(1) == labels).mean()), "rows": len(labels)})


def section(task: str, seeds: int, labels: Any, methods: list[dict[str, Any]]) -> dict[str, Any]:
    """A task's entry in the manifest."""
    return {
        "task": task,
        "task_ref": task,
        "title": f"Generated {task}",
        "labels": ["a", "b"],
        "source": "simulated",
        "stand_in": True,
        "encoder": "none",
        "encoder_hash": "0",
        "preset": "none",
        "protocol": "fixed",
        "settings": {},
        "sizes": {"generated": 1000, "real": 300, "pool": 10_000, "test": len(labels)},
        "hashes": {"test": task},
        "majority": float(np.bincount(labels).max() / len(labels)),
        "notes": [],
        "seeds": list(range(seeds)),
        "checkers": {},
        "methods": methods,
    }


def train_again(store: Path) -> None:
    """Replace the predictions of one cell."""
    folder = min(store.glob("*/ce/*/metrics.json")).parent
    table = pq.read_table(folder / "predictions.parquet")
    labels = table["label"].to_numpy()
    logits = np.random.default_rng(7).normal(size=(len(labels), 2)).astype(np.float32)
    pq.write_table(
        table.set_column(2, "logit_0", pa.array(logits[:, 0])).set_column(3, "logit_1", pa.array(logits[:, 1])),
        folder / "predictions.parquet",
    )
    finish(folder, {"accuracy": float((logits.argmax(1) == labels).mean()), "rows": len(labels)})


if __name__ == "__main__":
    main()
