"""Costs of a plan: from finished cells of the store, and from counts where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.jobs import CellJob
from bench.planning import costs as module
from bench.planning.costs import Measured, costs, measure, planned_rows, rows_passed
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import read_json, write_json


def test_rows_and_bytes_are_those_of_the_cells(run_here: Callable[..., Plan]) -> None:
    """What a plan says of its cells is what they then pass and write."""
    plan = run_here(methods="ce,dimp,ce-mix,real-only,jtt")
    predicted = costs(plan.jobs.values(), plan.jobs.values(), measure(plan.root, gpu=False))
    cells = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    assert len(cells) >= 5
    for job in cells:
        timing = read_json(job.folder / "timing.json")
        assert planned_rows(job) == pytest.approx(rows_passed(timing["passes"]), rel=0.35), job.title
        written = sum(path.stat().st_size for path in job.folder.iterdir())
        assert predicted[job.id].size == pytest.approx(written, rel=0.6), job.title
    tables = [job for job in plan.jobs.values() if job.kind in ("tokens", "states")]
    for job in tables:
        written = sum(path.stat().st_size for path in job.folder.glob("*.npy"))
        assert predicted[job.id].size == pytest.approx(written, rel=0.5), job.id


def test_an_entry_that_is_null_counts_as_absent() -> None:
    passes = {"train_rows": 10.0, "score_rows": 7.0}
    assert rows_passed(passes) == rows_passed({**passes, "forward_rows": None, "backward_rows": None}) == 37
    assert rows_passed({"train_rows": None, "score_rows": 7.0}) == 7


def test_seconds_are_those_of_the_finished_cells(run_here: Callable[..., Plan], tiny_encoder: Path) -> None:
    """Each finished cell took 2 seconds per row passed: so will each planned one."""
    plan = run_here(methods="ce,focal")
    for job in plan.jobs.values():
        if isinstance(job, CellJob):
            timing = read_json(job.folder / "timing.json")
            write_json(job.folder / "timing.json", {**timing, "seconds": 2.0 * rows_passed(timing["passes"])})
    measured = measure(plan.root, gpu=False)
    assert (measured.cells, measured.of) == (2, 2)
    assert measured.text == "measured on 2 finished cells of the store"
    assert Measured({}, 1, 1).text == "measured on 1 finished cell of the store"
    more = make_plan(make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=2), plan.root)
    for job in more.jobs.values():
        cost = costs([job], more.jobs.values(), measured)[job.id]
        if isinstance(job, CellJob):
            assert cost.measured
            assert cost.seconds == pytest.approx(2.0 * planned_rows(job))
    other = make_plan(
        make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", tasks="financial", seeds=1), plan.root
    )
    (cell,) = (job for job in other.jobs.values() if isinstance(job, CellJob))
    assert costs([cell], other.jobs.values(), measured)[cell.id].seconds == pytest.approx(2.0 * planned_rows(cell))


def test_cells_of_another_device_do_not_count(run_here: Callable[..., Plan], tmp_path: Path) -> None:
    plan = run_here(methods="ce")
    assert measure(plan.root, gpu=True).cells == 0
    assert "no finished cell" in measure(plan.root, gpu=True).text
    assert measure(tmp_path / "nowhere", gpu=False).cells == 0


def test_only_the_newest_cells_are_read(run_here: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = run_here(methods="ce,focal")
    monkeypatch.setattr(module, "MOST", 1)
    assert measure(plan.root, gpu=False).text == "measured on the 1 newest of 2 finished cells of the store"
