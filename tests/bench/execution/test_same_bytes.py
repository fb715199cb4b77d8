"""A cell's files are the same to the bit whatever else is in the grid, in whatever order, on however many workers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.planning.plan import Plan
from tests.helpers.engine_runs import content

Run = Callable[..., Plan]


@pytest.mark.parametrize(
    "layers", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param("all", marks=pytest.mark.slow)]
)
def test_other_cells_and_the_order_change_no_byte(run_here: Run, tmp_path: Path, layers: int | str) -> None:
    """Real rows and their tokens, frozen states and embeddings are shared by the seeds of a grid."""
    settings = {"train_layers": layers}
    alone = content(run_here(tmp_path / "alone", methods="imp,ce-mix,kmm", seed="0", settings=settings).root)
    larger = content(run_here(tmp_path / "larger", methods="focal,kmm,ce-mix,imp", seed="1,0", settings=settings).root)
    assert len(alone) >= 18
    assert {name: larger[name] for name in alone} == alone


def test_the_number_of_workers_changes_no_byte(
    bench: Callable[..., subprocess.CompletedProcess[str]], tiny_encoder: Path, tmp_path: Path
) -> None:
    own = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--no-figures")
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, workers, methods in ((one, "1", "ce,dimp,ce-mix"), (two, "2", "ce-mix,dimp,ce,focal")):
        done = bench("run", "--methods", methods, "--seeds", "1", "--workers", workers, "--out", str(folder), *own)
        assert done.returncode == 0, done.stdout + done.stderr
    alone, larger = content(one), content(two)
    assert len(alone) >= 24
    assert {name: larger[name] for name in alone} == alone
