"""What a run says before it trains: of the rows, and of what it will compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.commands.reports.advise_rounds import seconds_expected
from bench.commands.reports.plan_costs import cost_lines, expense
from bench.config.request import make_request
from bench.execution.dry_run import data_lines, trainings
from bench.execution.grid import Options, planned, run
from bench.execution.prepare import make_queue, to_compute
from bench.jobs import CellJob, DynamicsJob
from bench.planning import estimate
from bench.planning.costs import Measured, costs
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import write_json
from bench.store.folders import forget
from bench.store.layout import ERROR


def test_what_is_left_out_of_own_rows_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    """It stood in the report and in `validate` alone."""
    own = [{"text": f"{word} day number {day}", "label": word} for day in range(30) for word in ("good", "bad")]
    generated = [{"text": f"a {word} evening {day}", "label": word} for day in range(40) for word in ("good", "bad")]
    options = {"methods": "ce", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, "skip_empty": True}
    request = make_request(generated=generated, real=[*own, {"text": "unlabelled", "label": ""}], **options)  # type: ignore[arg-type]
    lines = data_lines(make_plan(request, tmp_path / "runs"))
    assert "1 of 61 real rows have no text or no label and were left out" in lines
    assert any("cross-validated in 5 stratified folds" in line for line in lines)


def test_snapshots_of_a_cell_that_is_done_are_a_training(run_here: Callable[..., Plan], tiny_encoder: Path) -> None:
    """`ce` is trained again for them, and neither the count nor the forecast knew it."""
    done = run_here(methods="ce")
    grid = {"methods": "ce,cartography", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1}
    plan = make_plan(make_request(**grid), done.root)  # type: ignore[arg-type]
    jobs = to_compute(make_queue(plan))
    assert trainings(jobs, plan) == "2 trainings, 1 of them a checker"
    new = make_plan(make_request(**grid), done.root.parent / "empty")  # type: ignore[arg-type]
    (cell,) = (job for job in new.jobs.values() if isinstance(job, CellJob) and job.spec.method == "ce")
    (snapshots,) = (job for job in jobs if isinstance(job, DynamicsJob))
    for of in (lambda *plan: {name: cost.seconds for name, cost in costs(*plan, Measured()).items()}, estimate.each):
        seconds, before = of(jobs, plan.jobs.values()), of([*new.jobs.values()], new.jobs.values())
        assert seconds[snapshots.id] == pytest.approx(before[cell.id])
        assert before[cell.id] > 0
        assert before[snapshots.id] == 0, "saved by the training of the cell"


def test_cells_that_are_done_again_are_counted(tiny_encoder: Path, tmp_path: Path) -> None:
    request = make_request(methods="ce,focal", tasks="twitter", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", workers=1, figures=False)
    assert run(request, options, lambda line: None).ok
    for changed, cells in (({}, "2 cells: 2 done"), ({"force": True}, "2 cells: 2 to train again")):
        again, lines = replace(options, dry_run=True, **changed), list[str]()  # type: ignore[arg-type]
        run(request, again, lines.append)
        assert cells in lines
        assert f"{len(changed) * 2} trainings" in lines
        plan = planned(request, again)
        spent = expense(plan, again, Measured())
        assert len(spent.jobs) == len(changed) * 2
        assert f"2 cells, {2 - len(changed) * 2} of them done" in "".join(cost_lines(spent, 1))
        assert (seconds_expected(request, again) > 0) == bool(changed)
    failed = next((tmp_path / "runs").glob("twitter/focal/*"))
    forget(failed)
    failed.mkdir()
    write_json(failed / ERROR, {"type": "OSError", "message": "no space"})
    for retry, word in ((False, "failed"), (True, "to train again")):
        lines = []
        run(request, replace(options, dry_run=True, retry_failed=retry), lines.append)
        assert f"2 cells: 1 done, 1 {word}" in lines
