"""A cell's files are the same to the bit whatever else is in the grid, in whatever order, on however many workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.planning.plan import Plan

Run = Callable[..., Plan]
# Everything but times, versions and logs. metrics.json has digests of timing.json too, so its results alone count.
BYTES = ("predictions.parquet", "train_scores.parquet", "weights.parquet", "history.jsonl", "spec.json")
RESULTS = ("accuracy", "macro_f1", "log_loss", "rows")


def content(root: Path) -> dict[str, object]:
    """The files that count of each finished cell, checkers included, by the id of the cell and the file's name."""
    files: dict[str, object] = {}
    for done in [*root.glob("twitter/*/*/metrics.json"), *root.glob(".artefacts/checker/*/metrics.json")]:
        files |= {f"{done.parent.name} {name}": (done.parent / name).read_bytes() for name in BYTES}
        files[f"{done.parent.name} metrics"] = [json.loads(done.read_text()).get(name) for name in RESULTS]
    return files


@pytest.mark.parametrize("layers", [0, 1, pytest.param("all", marks=pytest.mark.slow)])
def test_other_cells_and_the_order_change_no_byte(run_here: Run, tmp_path: Path, layers: int | str) -> None:
    """Real rows and their tokens, frozen states and embeddings are shared by the seeds of a grid."""
    settings = {"train_layers": layers}
    alone = content(run_here(tmp_path / "alone", methods="imp,ce-mix,kmm", seed="0", settings=settings).root)
    larger = content(
        run_here(tmp_path / "larger", methods="focal,kmm,ce-mix,imp", seed="2,1,0", settings=settings).root
    )
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
