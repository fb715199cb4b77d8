"""Costs of a plan: from finished cells of the store, and from counts where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.config.request import make_request
from bench.jobs import CellJob, TokensJob
from bench.planning import costs as module
from bench.planning import estimate
from bench.planning.costs import ROUGH, Measured, basis, costs, measure, planned_rows, rows_passed
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import read_json, write_json
from bench.store.layout import DONE, VERSIONS
from tests.helpers.encoders import edited


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
    assert len(measured.cells) == 2
    more = make_plan(make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke", seeds=2), plan.root)
    for job in more.jobs.values():
        cost = costs([job], more.jobs.values(), measured)[job.id]
        if isinstance(job, CellJob):
            assert basis({job.id: cost}, [job.id]) == "measured on 2 finished cells of the store"
            assert cost.seconds == pytest.approx(2.0 * planned_rows(job))


def own_plan(root: Path, encoder: Path, *, words: int, seeds: int = 1, **options: Any) -> Plan:
    """A plan of `ce` on own rows with texts of so many words."""
    rows = [{"text": f"{label} " + "word " * words + str(row), "label": label} for row in range(80) for label in "ab"]
    parts = {"generated": rows[:100], "real": rows[100:120], "test": rows[120:]}
    settings = {"train_layers": "1", "updates": "3", **options.pop("settings", {})}
    options = {"methods": "ce", "encoder": str(encoder), "preset": "smoke", **options}
    return make_plan(make_request(**parts, seeds=seeds, settings=settings, **options), root)


def finish(plan: Plan, speed: float) -> None:
    """Write the cells of a plan as finished, with so many operations in a second, and its token tables."""
    counted = estimate.each(plan.jobs.values(), plan.jobs.values())
    for job in plan.jobs.values():
        if isinstance(job, TokensJob):
            tokens = round(estimate.tokens_per_row(job) * len(job.texts))
            write_json(job.folder / DONE, {"rows": len(job.texts), "tokens": tokens})
        if isinstance(job, CellJob):
            passed = {"train_rows": 0, "forward_rows": 0, "backward_rows": 0, "score_rows": planned_rows(job)}
            seconds = counted[job.id] * estimate.RATE / speed
            write_json(job.folder / "spec.json", dict(job.spec_json))
            write_json(job.folder / "timing.json", {"seconds": seconds, "passes": passed})
            write_json(job.folder / VERSIONS, {"device": "cpu"})
            write_json(job.folder / DONE, {})


def seconds_of(plan: Plan, measured: Measured) -> tuple[float, str]:
    """The seconds of a plan's cells, and where they come from."""
    spent = costs(plan.jobs.values(), plan.jobs.values(), measured)
    return sum(spent[name].seconds for name in plan.cells), basis(spent, plan.cells)


@pytest.mark.parametrize(("words", "layers", "batch"), [(400, "1", "16"), (10, "all", "16"), (400, "all", "5")])
def test_other_texts_and_layers_have_the_speed_of_the_machine(
    tmp_path: Path, tiny_encoder: Path, words: int, layers: str, batch: str
) -> None:
    """Long texts were said to take as long as the short ones that the store has."""
    encoder = edited(tiny_encoder, tmp_path / "encoder", max_position_embeddings=512)
    short = own_plan(tmp_path / "runs", encoder, words=10, seeds=2)
    finish(short, 1e6)
    measured = measure(short.root, gpu=False)
    before, _ = seconds_of(short, measured)
    settings = {"train_layers": layers, "batch_size": batch, "max_length": "512"}
    other = own_plan(short.root, encoder, words=words, seeds=2, settings=settings)
    seconds, source = seconds_of(other, measured)
    counted, _ = seconds_of(other, Measured())
    assert seconds == pytest.approx(counted * estimate.RATE / 1e6, rel=0.05)
    assert source == "measured on 2 finished cells of the store, with other texts or layers"
    if batch == "16":
        assert seconds > (10 if words == 400 else 2) * before
    for table in short.root.glob(".artefacts/tokens/*/metrics.json"):
        table.unlink()
    assert seconds_of(other, measure(short.root, gpu=False)) == (counted, ROUGH), "their tokens are not known"
    assert seconds_of(short, measure(short.root, gpu=False))[0] == pytest.approx(before), "but they are the same"


def test_nothing_is_called_measured_that_is_not(tmp_path: Path, tiny_encoder: Path) -> None:
    """A store of cells with a head on embeddings was named as the source for all layers."""
    heads = own_plan(tmp_path / "runs", tiny_encoder, words=10, settings={"train_layers": "0"})
    finish(heads, 1e6)
    measured = measure(heads.root, gpu=False)
    assert seconds_of(heads, measured)[1] == "measured on 1 finished cell of the store"
    whole = own_plan(heads.root, tiny_encoder, words=10)
    assert seconds_of(whole, measured)[1] == ROUGH
    jobs = [*heads.jobs.values(), *whole.jobs.values()]
    both = basis(costs(jobs, jobs, measured), {*heads.cells, *whole.cells})
    assert both == f"measured on 1 finished cell of the store, for 1 of 2 trainings; the rest is {ROUGH}"


def test_cells_of_another_device_do_not_count(run_here: Callable[..., Plan], tmp_path: Path) -> None:
    plan = run_here(methods="ce")
    assert not measure(plan.root, gpu=True).cells
    assert not measure(tmp_path / "nowhere", gpu=False).cells


def test_only_the_newest_cells_are_read(run_here: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = run_here(methods="ce,focal")
    monkeypatch.setattr(module, "MOST", 1)
    assert len(measure(plan.root, gpu=False).cells) == 1
