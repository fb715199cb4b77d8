"""What a run says before it trains: of the rows, and of what it will compute."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.filesize import decimal

from bench import devices
from bench.commands.reports.advise_rounds import seconds_expected
from bench.commands.reports.plan_costs import cost_lines, expense
from bench.config.request import Request, make_request
from bench.config.task_choice import choose_tasks
from bench.encoders import matmul
from bench.execution.dry_run import data_lines, device_now, differences, trainings
from bench.execution.grid import Options, planned, run
from bench.execution.prepare import make_queue, to_compute
from bench.hashing import training_hash
from bench.jobs import CellJob, DynamicsJob
from bench.planning import estimate
from bench.planning.costs import Measured, costs
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import write_json
from bench.store.folders import forget
from bench.store.layout import ERROR, VERSIONS
from bench.training.outputs import environment


def test_what_is_left_out_of_own_rows_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    """It stood in the report and in `validate` alone."""
    own = [{"text": f"{word} day number {day}", "label": word} for day in range(30) for word in ("good", "bad")]
    generated = [{"text": f"a {word} evening {day}", "label": word} for day in range(40) for word in ("good", "bad")]
    options = {"methods": "ce", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, "skip_empty": True}
    request = make_request(generated=generated, real=[*own, {"text": "unlabelled", "label": ""}], **options)  # type: ignore[arg-type]
    lines = data_lines(make_plan(request, tmp_path / "runs"))
    assert "1 of 61 real rows has no text or no label and was left out" in lines
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
    for changed, cells in (({}, "2 cells: 2 done before"), ({"force": True}, "2 cells: 2 to train again")):
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
        assert f"2 cells: 1 done before, 1 {word}" in lines


def test_the_size_of_kept_models_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    """A first run wrote gigabytes without a word."""
    request = make_request(methods="ce,focal", tasks="twitter", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", workers=1, figures=False, dry_run=True)
    size = (tiny_encoder / "model.safetensors").stat().st_size
    for keep, expected in (("full", [f"models to write (--save-models): 2 of about {decimal(size)}"]), (None, [])):
        lines = list[str]()
        run(request, replace(options, save_models=keep), lines.append)  # type: ignore[arg-type]
        assert [line.partition(",")[0] for line in lines if line.startswith("models")] == expected


def test_cells_that_will_not_be_compared_are_said_before_they_are_trained(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store of another version was continued for hours, and then no method had a verdict."""
    request = make_request(methods="ce,focal", tasks="twitter", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", workers=1, figures=False)
    assert run(request, options, lambda line: None).ok
    focal, more = replace(request, methods=request.methods[1:]), replace(request, seeds=(0, 1))

    def said(request: Request, **changed: Any) -> list[str]:
        lines = list[str]()
        run(request, replace(options, **{"dry_run": True, **changed}), lines.append)
        return [line for line in lines if "will not be compared" in line]

    assert not said(more), "the same code, packages and device"
    monkeypatch.setattr("bench.execution.dry_run.training_hash", lambda: "c0de")
    monkeypatch.setattr("bench.execution.dry_run.version", lambda name: "9.9" if name == "torch" else version(name))
    (line,) = said(more)
    now = f"code {training_hash()}, now c0de; torch {version('torch').partition('+')[0]}, now 9.9"
    assert line.startswith(f"warning: 2 cells done before will not be compared with the 2 to do ({now}): a method gets")
    assert not said(more, force=True), "nothing of before is kept"
    assert not said(request), "nothing is to do"
    assert not said(more, rules=replace(options.rules, allow_mixed=True)), "they will be"
    assert not said(replace(more, tasks=choose_tasks("financial", {}, None))), "another table of the report"
    assert said(focal) == []
    assert said(replace(focal, seeds=(0, 1)), dry_run=False) == [
        line.replace("2 cells", "1 cell").replace("the 2", "the 1")
    ]


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        ("cpu", "cpu", True),
        ("cpu, products by oneDNN", "cpu", False),
        ("cpu, products by oneDNN", "a CPU", True),
        ("NVIDIA H200", "a GPU", True),
        ("NVIDIA H200", "NVIDIA L4", False),
        ("NVIDIA H200", "a CPU", False),
        ("mps", "a GPU", False),
    ],
)
def test_devices_are_compared_as_far_as_they_are_known(tmp_path: Path, then: str, now: str, same: bool) -> None:
    write_json(tmp_path / VERSIONS, {"device": then})
    assert differences(tmp_path, {"device": now}) == ([] if same else [f"device {then}, now {now}"])


def test_the_device_is_named_as_cells_name_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(matmul, "cache", lambda: tmp_path)
    monkeypatch.setattr(devices, "available", lambda: torch.device("cpu"))
    assert device_now() == "a CPU", "no worker has measured yet"
    for route in matmul.ROUTES:
        monkeypatch.setattr(matmul, "cache", lambda route=route: tmp_path / route)
        monkeypatch.setattr(matmul, "_chosen", matmul.kept_choice(lambda route=route: matmul.Choice(route=route)))
        assert device_now() == environment()["device"]
    monkeypatch.delitem(sys.modules, "torch")
    assert device_now() == ("a GPU" if devices.on_gpu() else "a CPU")
