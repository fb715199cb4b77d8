"""The faults of `make faults` on a small grid."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults import slurm_node
from tests.faults.__main__ import FAULTS
from tests.faults.grid import Grid


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    own = Grid(
        tmp_path_factory.mktemp("faults"), "ce,focal,imp", 2, updates=160
    )  # seconds a cell: faults find it running
    own.undisturbed()
    return own


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", FAULTS)
def test_a_disturbed_run_ends_as_an_undisturbed_one(grid: Grid, engine: str) -> None:
    if reason := FAULTS[engine](grid):
        pytest.skip(reason)
    assert grid.problems(engine) == [], grid.log(engine)


def test_what_slurm_leaves_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A srun of the node; one of another cluster goes on."""
    monkeypatch.setenv("SLURM_CONF", "")
    monkeypatch.setattr(slurm_node, "ENDING", 0.0)
    monkeypatch.setattr(slurm_node.subprocess, "run", lambda *command, **how: None)
    node = slurm_node.Node(tmp_path / "node")
    srun = shutil.copy(shutil.which("sleep") or "", tmp_path / "srun")
    with (
        subprocess.Popen([srun, "60"]) as own,
        subprocess.Popen([srun, "60"], env={"SLURM_CONF": "/etc/slurm/slurm.conf"}) as other,
    ):
        node.stop()
        assert own.wait(10) != 0
        assert other.poll() is None
        other.kill()


@pytest.mark.slow
def test_problems_are_found(grid: Grid) -> None:
    shutil.copytree(grid.store("local"), grid.store("copy"))
    shutil.copytree(grid.folder / "reports-local", grid.folder / "reports-copy")
    log = grid.folder / "copy.log"
    log.write_text("[1/6] done   twitter ce seed 0  accuracy 0.1  1.0 s\n")
    assert grid.problems("copy") == []
    log.write_text(2 * log.read_text())
    cell = next(grid.store("copy").glob("twitter/imp/*/metrics.json")).parent
    (cell / "lease").touch()
    (cell / "predictions.parquet").write_bytes(b"other")
    found = grid.problems("copy")
    assert len(found) == 3
    assert any("predictions.parquet differs" in line for line in found)
    assert any("a lease is left" in line for line in found)
    assert "twitter ce seed 0 was reported done 2 times" in found
