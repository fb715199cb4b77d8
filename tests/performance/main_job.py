"""Times the grid that a new user runs: core methods from an empty store, again with precomputed tables; a profile."""

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
from tasks.errors import plural
from tests.performance import machine, page
from tests.performance.flops import Shape
from tests.performance.work import ROOT, Material, computed, grid, operations


def measure(seeds: int, preset: str, encoder: str | None, path: Path, say: Callable[[str], None]) -> None:
    """Run with an empty store, then with its precomputed tables, then with nothing to do; write the section."""
    options = ["--methods", "core", "--tasks", "twitter", "--source", "bundled"]
    options += ["--seeds", str(seeds), "--preset", preset]
    options += ["--encoder", encoder] if encoder else []
    workers = len(os.sched_getaffinity(0))
    top = machine.peak(workers)
    material = Material.of(encoder, PRESETS[preset].settings.max_length, 2000)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cold = grid(folder, *options)
        say(f"cold {cold.wall:.0f} s")
        work = operations(folder / "runs", material, Shape.of(material.folder))
        for trained in (folder / "runs" / "twitter", folder / "runs" / ".artefacts" / "checker"):
            shutil.rmtree(trained, ignore_errors=True)
        warm = grid(folder, *options)
        again = grid(folder, *options)
        say(f"warm {warm.wall:.0f} s, nothing to do {again.wall:.1f} s")
        profiled = profile(
            folder, {"methods": "dimp", "seeds": 1, "preset": preset, "tasks": "twitter", "encoder": encoder}
        )
    rows = [
        ["empty store", f"{cold.wall:.0f}", f"{cold.cpu:.0f}", f"{work['executed'] / cold.wall / top:.0%}"],
        ["tables precomputed", f"{warm.wall:.0f}", f"{warm.cpu:.0f}", f"{work['executed'] / warm.wall / top:.0%}"],
        ["nothing to do, report only", f"{again.wall:.1f}", f"{again.cpu:.1f}", ""],
    ]
    whole = sum(profiled["groups"].values())
    parts = [[name, f"{seconds / whole:.0%}"] for name, seconds in profiled["groups"].items()]
    page.put(
        path,
        f"The main job, preset {preset}",
        [
            material.described(),
            f"`bench run {' '.join(options)}`, whole command, {plural(workers, 'worker')}; report without figures.",
            page.table(["", "seconds", "processor seconds", "executed FLOPs, share of the GEMM peak"], rows),
            f"GEMM peak {top / 1e9:.0f} GFLOP/s. Largest worker {cold.worker / 2**30:.2f} GiB.",
            f"Cold: {computed(cold.output)}.",
            f"A warm `{profiled['cell']}` cell under torch's profiler, {profiled['seconds']:.1f} processor seconds:",
            page.table(["operations", "share"], parts),
        ],
    )


def profile(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The output of `tests.performance.profile` for a request, given as keyword arguments of `make_request`."""
    options = folder / "options.json"
    options.write_text(json.dumps(request), encoding="utf-8")
    command = [sys.executable, "-m", "tests.performance.profile", str(folder / "profile"), str(options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    output: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return output
