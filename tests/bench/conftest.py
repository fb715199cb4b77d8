"""Plans whose jobs run one by one in this process, as a worker runs them, without the pool."""

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

    def run(root: Path = tmp_path / "runs", **options: object) -> Plan:
        from bench.execution.worker import run_job

        plan = make_plan(make_request(**{"encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, **options}), root)  # type: ignore[arg-type]
        for job in plan.jobs.values():
            outcome = run_job(job)
            assert outcome.state == "done", outcome.cause
        return plan

    return run
