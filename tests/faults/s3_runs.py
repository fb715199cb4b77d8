"""Two runs on one S3 store at once, as on two machines: one is killed, and its command repeated."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time

from bench.remote.job_leases import LEASES
from bench.remote.opened import objects_at
from bench.store.layout import RUNNING
from tests.faults.grid import Grid
from tests.helpers.s3_server import SECRET, s3_server

MACHINES = ("s3-a", "s3-b")


def start(grid: Grid, machine: str, address: str) -> subprocess.Popen[bytes]:
    """The command with a local copy of its own."""
    os.environ["BENCH_CACHE"] = str(grid.folder / f"cache-{machine}")
    return grid.start(machine, "--workers", "1", "--out", address)


def run(grid: Grid) -> str:
    """Disturb two runs, and copy what is in the bucket afterwards to the store `s3` of the grid.

    Returns why it cannot be done here; empty if it was done. Raises SystemExit for what must not be left there.
    """
    if any(importlib.util.find_spec(name) is None for name in ("s3fs", "moto", "flask")):
        return "the extra `s3` or moto is not installed"
    before = os.environ.get("BENCH_CACHE")
    with s3_server() as bucket:
        address = f"{bucket}/faults"
        objects = objects_at(address, "s3")
        first, other = (start(grid, machine, address) for machine in MACHINES)
        while len(objects.listing(["twitter"])) < grid.size // 3:
            if first.poll() or other.poll():
                raise SystemExit(f"a run ended: {grid.log(MACHINES[0])[-500:]} {grid.log(MACHINES[1])[-500:]}")
            time.sleep(0.2)
        grid.disturb("one of two runs was killed", lambda: grid.kill(first))
        again = start(grid, MACHINES[0], address)
        if again.wait() or other.wait():
            raise SystemExit(f"a run failed: {grid.log(MACHINES[0])[-500:]} {grid.log(MACHINES[1])[-500:]}")
        if left := sorted(objects.listing([LEASES, RUNNING, ".probe"])):
            raise SystemExit(f"left in the bucket: {left}")
        os.environ["BENCH_CACHE"] = str(grid.folder / "cache-s3")
        merge = [sys.executable, "-m", "bench", "merge", address, "--out", str(grid.store("s3"))]
        with (grid.folder / "s3.log").open("wb") as log:
            subprocess.run(merge, cwd=grid.folder, stdout=log, stderr=log, check=True)
        same = grid.leaderboard(MACHINES[0]) == grid.leaderboard(MACHINES[1])
    shutil.copytree(grid.folder / f"reports-{MACHINES[0]}", grid.folder / "reports-s3")
    os.environ.pop("BENCH_CACHE")
    os.environ.update({} if before is None else {"BENCH_CACHE": before})
    secret = [path for path in grid.folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    if secret or not same:
        raise SystemExit(f"the secret is in {secret}" if secret else "the leaderboards of the two runs differ")
    return ""
