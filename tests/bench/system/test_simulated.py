"""The package in the simulation of Windows: a grid has the same results to the byte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.commands.stores.doctor import doctor
from bench.errors import UserError
from bench.execution import limits
from bench.execution.engines.slurm import Slurm
from tests.conftest import ROOT
from tests.helpers.engine_runs import content
from tests.helpers.windows import MARK, SITE

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def simulated(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Python with these arguments, in the simulation."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SITE), str(ROOT)])}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environment)


def test_the_command_starts(tmp_path: Path) -> None:
    code = (
        "import bench.system; from bench.cli import main; print(bench.system.lock.__module__); main(['list', 'tasks'])"
    )
    done = simulated("-c", code, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bench.system.windows\n")
    assert "twitter: Tweet polarity" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(MARK in os.environ, reason="compares the simulation with Linux")
def test_a_grid_has_the_same_bytes(bench: Command, tiny_encoder: Path, tmp_path: Path) -> None:
    """On workers that are started anew. `el2n` reads snapshots, `kmm` mapped embeddings, `imp` frozen states."""
    grid = ("run", "--methods", "ce,imp,kmm,el2n", "--seeds", "1", "--no-figures", "--preset", "smoke")
    own = ("--encoder", str(tiny_encoder), "--workers", "1")
    here = bench(*grid, *own, "--out", "linux")
    there = simulated("-m", "bench", *grid, *own, "--out", "windows", folder=tmp_path)
    assert (here.returncode, there.returncode) == (0, 0), here.stderr + there.stdout + there.stderr
    cells = content(tmp_path / "linux")
    assert len(cells) >= 24
    assert content(tmp_path / "windows") == cells
    assert doctor(tmp_path / "windows", repair=False)[1]
    paths = [
        {path.relative_to(root) for path in root.rglob("*")} for root in (tmp_path / "linux", tmp_path / "windows")
    ]
    assert paths[0] == paths[1], "no lease and no part file is left"


@pytest.mark.slow
@pytest.mark.skipif(MARK in os.environ, reason="is a simulation itself")
def test_the_tests_of_leases_files_and_journals_pass() -> None:
    """`make test-windows` runs more of them."""
    names = ("store/test_leases.py", "store/test_files.py", "generate/test_server.py")
    paths = [str(ROOT / "tests" / "bench" / name) for name in names]
    done = simulated("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *paths, folder=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]


def test_what_cannot_work_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.system.UNUSABLE", {"slurm": "SLURM needs Linux"})
    with pytest.raises(UserError, match="engine slurm: SLURM needs Linux; --engine local"):
        Slurm().require()
    monkeypatch.setattr("bench.system.MOST_PROCESSES", 30)
    with pytest.raises(UserError, match="--workers 31: this system lets a run have at most 30"):
        limits.require_limits(31)
