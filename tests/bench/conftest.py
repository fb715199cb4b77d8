"""Plans whose jobs run one by one in this process, as a worker runs them, without the pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.planning.plan import Plan
from bench.planning.planner import make_plan


def trained(encoder: Path, root: Path, /, **options: object) -> Plan:
    """The plan of a tiny grid, all of whose jobs are done."""
    from bench.execution.worker import run_job

    plan = make_plan(make_request(**{"encoder": str(encoder), "preset": "smoke", "seeds": 1, **options}), root)  # type: ignore[arg-type]
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause
    return plan


@pytest.fixture
def run_here(tiny_encoder: Path, tmp_path: Path) -> Callable[..., Plan]:
    """`run_here(methods="ce,dimp", seeds=1)` trains a tiny grid and returns its plan; every job must succeed."""

    def run(root: Path = tmp_path / "runs", **options: object) -> Plan:
        return trained(tiny_encoder, root, **options)

    return run


@pytest.fixture(scope="module")
def run_once(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Plan]:
    """`run_here` for a grid that the tests of a module share, and do not change."""

    def run(**options: object) -> Plan:
        return trained(tiny_encoder, tmp_path_factory.mktemp("grid") / "runs", **options)

    return run
