"""Stores that this and earlier versions wrote stay readable; a store of another schema is refused in one line.

Each archive of `golden/` is the store of `bench run --methods ce,imp --seeds 2` on 16 generated, 16 real and 12 test
rows, without frozen states. `first`: written on 2026-11-24, by the first version with a store. `sizes`: the last one
whose `metrics.json` has no digests. `present`: the version that this test was written with.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.store.integrity import DIGESTS, damage
from bench.store.manifest import SCHEMA
from tests.helpers import warm

GOLDEN = Path(__file__).parent / "golden"
STORES = sorted(path.stem for path in GOLDEN.glob("*.zip"))


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A golden store in `tmp_path`."""
    with zipfile.ZipFile(GOLDEN / f"{request.param}.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path / "runs"


def run(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in the folder of a store."""
    return warm.run(arguments, store.parent)


def cell(store: Path, method: str) -> Path:
    """The cell of a method with seed 0."""
    (folder,) = (
        path.parent for path in store.glob(f"tiny/{method}/*/spec.json") if json.loads(path.read_text())["seed"] == 0
    )
    return folder


def log_loss(folder: Path) -> float:
    """The log loss of a cell from its stored logits."""
    table = pd.read_parquet(folder / "predictions.parquet")
    logits = table[["logit_0", "logit_1"]].to_numpy(np.float64)
    logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return float(-logp[np.arange(len(table)), table["label"]].mean())


def test_the_stores_are_those_of_their_versions() -> None:
    assert STORES == ["first", "present", "sizes"]


def test_a_report_has_the_numbers_that_the_store_was_written_with(store: Path) -> None:
    done = run(store, "report", "--no-figures")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((store.parent / "reports" / "leaderboard.json").read_text())
    rows = {row["label"]: row for row in report["rows"]}
    assert rows.keys() == {"ce", "imp"}
    for method, row in rows.items():
        cells = sorted(store.glob(f"tiny/{method}/*"))
        stored = [json.loads((folder / "metrics.json").read_text())["log_loss"] for folder in cells]
        assert row["n_seeds"] == len(cells) == 2
        assert row["missing"] == []
        assert np.allclose([log_loss(folder) for folder in cells], stored)
        assert np.isclose(row["log_loss"]["mean"], np.mean(stored))
    assert run(store, "report", "--check").returncode == 0


def test_every_command_reads_the_store(store: Path) -> None:
    identity = cell(store, "imp").name
    for arguments, shown in (
        (("list", "cells"), "tiny imp seed 1"),
        (("doctor",), "0 problems"),
        (("clean",), "tokens"),
        (("show", identity), "imp"),
        (("show", identity, "--diff", cell(store, "ce").name), "method"),
        (("weights", identity), "heaviest"),
        (("compare", "ce", "imp"), "exact McNemar"),
    ):
        done = run(store, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert shown in done.stdout
        assert done.stderr == ""


def test_a_changed_file_is_found_where_digests_are_stored(store: Path) -> None:
    folder = cell(store, "ce")
    assert damage(folder) == ""
    path = folder / "history.jsonl"
    path.write_text(path.read_text().replace("0", "1"))
    has_digests = DIGESTS in json.loads((folder / "metrics.json").read_text())
    assert damage(folder) == ("history.jsonl was changed after it was written" if has_digests else "")


@pytest.mark.parametrize("schema", [None, SCHEMA - 1, SCHEMA + 1])
def test_a_store_of_another_schema_is_refused_in_one_line(store: Path, schema: int | None) -> None:
    (path,) = store.glob(".grids/*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))
    done = run(store, "report", "--no-figures")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path.relative_to(store.parent)} is not a grid of this version; remove it")
    assert done.stderr.count("\n") == 1
