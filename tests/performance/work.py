"""The rows that all measurements use, and runs of our grid on them with their time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.config.request import make_request
from bench.encoders.checkpoints import find
from bench.store.files import read_json
from tasks import Rows, TaskData
from tests.performance.flops import Lengths, Shape, counted, executed

ROOT = Path(__file__).parents[2]
POLL = 0.2  # seconds between two readings of memory
Option = str | Path


@dataclass(frozen=True)
class Material:
    """The rows of task `twitter`, and the lengths of their texts in tokens."""

    source: str
    encoder: str
    folder: Path  # of the encoder
    data: TaskData
    lengths: dict[str, Lengths]  # by role: generated, real, test; each (n,)

    @classmethod
    def of(cls, encoder: str | None, max_length: int, test_rows: int) -> Material:
        """The bundled tweets."""
        from transformers import AutoTokenizer

        request = make_request(tasks="twitter", source="bundled", encoder=encoder, test_size=test_rows)
        data, checkpoint = request.load(request.tasks[0]), find(request.encoders[0])
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True)

        def tokens(rows: Rows) -> Lengths:
            token_ids = tokenizer(rows.texts, truncation=True, max_length=max_length)["input_ids"]
            return np.array([len(row) for row in token_ids])

        parts = {"generated": data.generated, "real": data.real(0), "test": data.test}
        lengths = {name: tokens(rows) for name, rows in parts.items()}
        return cls("bundled", request.encoders[0], checkpoint.path, data, lengths)

    def described(self) -> str:
        """A sentence about the rows and the encoder, for the page."""
        sizes = ", ".join(
            f"{len(lengths):,} {name} rows of {lengths.mean():.1f} tokens" for name, lengths in self.lengths.items()
        )
        return f"Task `twitter` ({self.data.about}): {sizes}; encoder {Path(self.encoder).name}."


@dataclass(frozen=True)
class Run:
    """The cost of one whole `bench run`, and its output."""

    wall: float  # seconds of wall-clock time
    cpu: float  # seconds of all processors
    worker: int  # bytes: the largest memory of a worker
    others: int  # bytes: the largest memory of the command itself and its other processes, summed
    output: str
    command: int = 0  # bytes: the largest memory of the command itself


def grid(folder: Path, *options: Option) -> Run:
    """Run a grid as a user does, in a process of its own. Raises RuntimeError if it fails."""
    command = [
        sys.executable,
        "-m",
        "bench",
        "run",
        "--no-figures",
        "--out",
        folder / "runs",
        "--reports",
        folder / "reports",
    ]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = psutil.Popen(
            [*map(str, command), *map(str, options)], stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
        )
        seen: dict[int, tuple[int, float]] = {}  # process -> largest memory, processor seconds
        watch = threading.Thread(target=watch_processes, args=(process, seen))
        watch.start()
        code = process.wait()
        wall = time.perf_counter() - began
        watch.join()
        output.seek(0)
        text = output.read()
    if code:
        raise RuntimeError(f"{' '.join(map(str, options))}: exit code {code}\n{text}")
    sizes = sorted((memory for memory, _ in seen.values()), reverse=True)
    own = seen.get(process.pid, (0, 0.0))[0]
    return Run(wall, sum(cpu for _, cpu in seen.values()), sizes[0], sum(sizes[1:]), text, own)


def watch_processes(process: psutil.Process, seen: dict[int, tuple[int, float]]) -> None:
    """Record the largest memory and the processor seconds of a command's processes in `seen`, until it ends."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            for one in (process, *process.children(recursive=True)):
                times = one.cpu_times()
                before = seen.get(one.pid, (0, 0.0))[0]
                seen[one.pid] = (max(before, one.memory_info().rss), times.user + times.system)
        except psutil.NoSuchProcess:
            pass
        time.sleep(POLL)


def computed(output: str) -> str:
    """The number of trainings in the last line of a run's output, as `18 trainings`."""
    result = re.search(r"cells? done .*, ([\d,]+ trainings?), in", output)
    return result[1] if result else ""


def trainings(store: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """spec.json and timing.json of every cell and checker of a store."""
    for path in (*store.glob("[!.]*/*/*/timing.json"), *store.glob(".artefacts/checker/*/timing.json")):
        yield read_json(path.parent / "spec.json"), read_json(path)


def operations(store: Path, material: Material, shape: Shape) -> dict[str, float]:
    """FLOPs of all trainings in a store, `counted` and `executed` (see `flops`), from the passes in timing.json."""
    total = {"counted": 0.0, "executed": 0.0}
    for spec, timing in trainings(store):
        passes = timing["passes"]
        fitted = material.lengths["real" if spec["method"] == "real-only" else "generated"]
        scored = np.concatenate([material.lengths["test"], material.lengths["generated"]])
        layers = spec["settings"]["train_layers"]
        for name, count in (("counted", counted), ("executed", executed)):
            of = [count(shape, rows, None if layers == "all" else layers) / len(rows) for rows in (fitted, scored)]
            total[name] += 3 * passes["train_rows"] * of[0] + passes["score_rows"] * of[1]
    return total


def cells(methods: Sequence[str], seeds: int) -> list[str]:
    """The trainings of a Trainer grid, each named by a method of the same cost: all cells, and the checkers needed."""
    kinds = {"focal": "ce", "superloss": "ce"}
    grid_cells = [kinds.get(name, name) for name in methods for _ in range(seeds)]
    return [*grid_cells, *["ce"] * (seeds if {"dimp", "imp"} & set(methods) else 0)]
