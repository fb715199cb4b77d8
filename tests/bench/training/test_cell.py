"""What a trained cell writes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.execution.worker import run_job
from bench.planning.planner import make_plan
from bench.stats.metrics import METRICS


def test_a_metric_without_a_value_is_null(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that has no value on some test, as a fold may be, failed the cell after its training."""
    monkeypatch.setitem(METRICS, "undefined", lambda labels, logits: math.nan)
    plan = make_plan(make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=1), tmp_path)
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause
    [cell] = plan.cells
    metrics = json.loads((plan.jobs[cell].folder / "metrics.json").read_text())
    assert metrics["undefined"] is None
    assert 0 < metrics["accuracy"] <= 1
