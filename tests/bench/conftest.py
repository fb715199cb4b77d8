"""Plans run in this process, job by job: what a worker does, without the pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.planning.plan import Plan
from bench.planning.planner import make_plan


@pytest.fixture
def run_here(tiny_encoder: Path, tmp_path: Path) -> Callable[..., Plan]:
    """`run_here(methods="ce,dimp", seeds=1)` trains a tiny grid and returns its plan; every job must succeed."""

    def run(root: Path = tmp_path / "runs", **asked: object) -> Plan:
        from bench.execution.worker import run as run_job

        made = make_plan(make_request(**{"encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, **asked}), root)  # type: ignore[arg-type]
        for job in made.jobs.values():
            outcome = run_job(job)
            assert outcome.state == "done", outcome.cause
        return made

    return run
