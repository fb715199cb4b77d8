"""The main job as a newcomer runs it: the core methods on a fresh store, again from its artefacts, and a profile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.config.settings import PRESETS
from tests.performance import machine, page
from tests.performance.flops import Shape
from tests.performance.work import ROOT, Material, computed, grid, operations


def measure(seeds: int, preset: str, encoder: str | None, path: Path, say: Callable[[str], None]) -> None:
    """Run cold, then with the artefacts and the files of the first run at hand; write the section."""
    asked = ["--methods", "core", "--tasks", "twitter", "--seeds", str(seeds), "--preset", preset]
    asked += ["--encoder", encoder] if encoder else []
    workers = len(os.sched_getaffinity(0))
    top = machine.peak(workers)
    source = os.environ.pop("BENCH_DATA", None)  # a newcomer has the bundled rows
    try:
        material = Material.of(encoder, PRESETS[preset].settings.max_length, 400)
    finally:
        if source:
            os.environ["BENCH_DATA"] = source
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cold = grid(folder, *asked)
        say(f"cold {cold.wall:.0f} s")
        work = operations(folder / "runs", material, Shape.of(material.folder))
        for done in (folder / "runs" / "twitter", folder / "runs" / ".artefacts" / "checker"):
            shutil.rmtree(done, ignore_errors=True)
        warm = grid(folder, *asked)
        again = grid(folder, *asked)
        say(f"warm {warm.wall:.0f} s, nothing to do {again.wall:.1f} s")
        taken = profile(
            folder, {"methods": "dimp", "seeds": 1, "preset": preset, "tasks": "twitter", "encoder": encoder}
        )
    rows = [
        ["fresh store", f"{cold.wall:.0f}", f"{cold.cpu:.0f}", f"{work['executed'] / cold.wall / top:.0%}"],
        ["texts encoded before", f"{warm.wall:.0f}", f"{warm.cpu:.0f}", f"{work['executed'] / warm.wall / top:.0%}"],
        ["nothing to do, report alone", f"{again.wall:.1f}", f"{again.cpu:.1f}", ""],
    ]
    whole = sum(taken["groups"].values())
    parts = [[name, f"{seconds / whole:.0%}"] for name, seconds in taken["groups"].items()]
    page.put(
        path,
        f"The main job, preset {preset}",
        [
            material.told(),
            f"`bench run {' '.join(asked)}`, whole command, {workers} workers; report without figures.",
            page.table(["", "seconds", "processor seconds", "executed FLOPs, share of the GEMM peak"], rows),
            f"GEMM peak {top / 1e9:.0f} GFLOP/s. Largest worker {cold.worker / 2**30:.2f} GiB.",
            f"Cold: {computed(cold.output)}.",
            f"A warm `{taken['cell']}` cell under torch's profiler, {taken['seconds']:.1f} processor seconds:",
            page.table(["operations", "share"], parts),
        ],
    )


def profile(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """What `tests.performance.profile` prints of a plan."""
    options = folder / "options.json"
    options.write_text(json.dumps(asked), encoding="utf-8")
    command = [sys.executable, "-m", "tests.performance.profile", str(folder / "profile"), str(options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
