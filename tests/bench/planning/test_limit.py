"""`--limit`: smoke runs, of few rows, that no leaderboard ever shows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.jobs import CellJob
from bench.planning.planner import make_plan
from tasks import DataError

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def cell(root: Path, encoder: Path, **options: object) -> CellJob:
    """The first cell of a plan."""
    plan = make_plan(
        make_request(**{"methods": "ce-mix", "encoder": str(encoder), "preset": "smoke", "seeds": 1, **options}), root
    )  # type: ignore[arg-type]
    job = plan.jobs[next(iter(plan.cells))]
    assert isinstance(job, CellJob)
    return job


def sizes(job: CellJob) -> dict[str, int]:
    """Rows by role."""
    return {name: len(getattr(job, name).ids) for name in ("generated", "real", "test", "scored")}


@pytest.mark.parametrize("task", ["twitter", "news", "twitter[real=80]", "twitter[generated=50,noise=0.2]"])
def test_every_role_is_limited(tmp_path: Path, tiny_encoder: Path, task: str) -> None:
    full, few = (cell(tmp_path, tiny_encoder, tasks=task, limit=limit) for limit in (None, 24))
    assert max(sizes(few).values()) == 24
    assert set(few.test.ids) < set(full.test.ids)
    assert few.spec.id != full.spec.id


def test_a_limit_beyond_the_data_changes_nothing(tmp_path: Path, tiny_encoder: Path) -> None:
    assert cell(tmp_path, tiny_encoder, limit=10**6).spec == cell(tmp_path, tiny_encoder).spec


def test_a_limit_is_checked(tmp_path: Path, tiny_encoder: Path) -> None:
    with pytest.raises(UserError, match="at least 1"):
        make_request(limit=0)
    with pytest.raises(DataError, match="--limit 3: a generated set of 3 rows is too small for 2 rows of each class"):
        cell(tmp_path, tiny_encoder, limit=3)


def test_a_smoke_run_enters_no_leaderboard(bench: Command, tmp_path: Path) -> None:
    grid = ("run", "--methods", "ce", "--seeds", "1")
    smoke = bench(*grid, "--limit", "20", tiny=True)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert "a smoke run has no leaderboard" in smoke.stdout
    assert list(tmp_path.glob("reports/*")) == []
    assert bench("report").returncode == 2, "no grid to report on"
    assert bench(*grid, tiny=True).returncode == 0
    assert len(list(tmp_path.glob("runs/twitter/ce/*"))) == 2
    assert len(list(tmp_path.glob("runs/.grids/*.json"))) == 1
