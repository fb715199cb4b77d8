"""Frozen states that are too large to be stored: cells compute the same ones, and the person is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from bench.execution.worker import run_job
from bench.jobs import CellJob, StatesJob
from bench.planning import estimate
from bench.planning.plan import Plan
from bench.store.files import read_json

Run = Callable[..., Plan]
LIMIT = "bench.jobs.MOST_STATE_BYTES"


def results(plan: Plan) -> dict[str, pd.DataFrame]:
    """The predictions of each cell and checker, by the id of its job."""
    return {job.id: pd.read_parquet(job.folder / "predictions.parquet") for job in cells(plan)}


def cells(plan: Plan) -> list[CellJob]:
    return [job for job in plan.jobs.values() if isinstance(job, CellJob)]


def states(plan: Plan) -> list[StatesJob]:
    return [job for job in plan.jobs.values() if isinstance(job, StatesJob)]


def middle(plan: Plan) -> int:
    """A limit that the smallest table of states keeps, and the largest exceeds."""
    sizes = sorted((job.folder / "states.npy").stat().st_size for job in states(plan))
    assert sizes[0] < sizes[-1]
    return sizes[-1] - 1000


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_cell_is_the_same_whether_its_states_are_stored(
    precision: str, run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored depends on the rows of other seeds; in bf16 the frozen blocks had another precision without it."""
    grid = {"methods": "alpha-mix,l2rw,co-teaching", "settings": {"precision": precision, "train_layers": 1}}
    kept = run_here(tmp_path / "kept", **grid)
    expected = results(kept)
    for limit in (middle(kept), 0):  # some of the roles have stored states, or none
        monkeypatch.setattr(LIMIT, limit)
        computed = run_here(tmp_path / str(limit), **grid)
        lacking = [job for job in states(computed) if not (job.folder / "states.npy").exists()]
        assert 0 < len(lacking) <= len(states(computed))
        found = results(computed)
        said = [read_json(job.folder / "timing.json").get("computed_states") for job in cells(computed)]
        assert any(said) if limit else all(said)
        assert found.keys() == expected.keys()
        for identity, frame in found.items():
            pd.testing.assert_frame_equal(frame, expected[identity], check_exact=True, obj=identity)


def test_states_that_are_not_stored_are_said_and_estimated(
    run_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing said so, and cells took several times their estimate."""
    plan = run_here(tmp_path / "kept", methods="ce", settings={"train_layers": 1})
    stored = {job.id: estimate.each([job], plan.jobs.values())[job.id] for job in plan.jobs.values()}
    monkeypatch.setattr(LIMIT, 0)
    unplanned = run_here(tmp_path / "computed", methods="ce", settings={"train_layers": 1})
    notes = []
    for job in states(unplanned):
        (job.folder / "metrics.json").unlink()
        notes += run_job(job).summary["notes"]
    assert len(notes) == len(states(plan))
    assert all(
        "no states of its frozen blocks are stored for" in note and "so each cell runs" in note for note in notes
    )
    for done in (True, False):
        if not done:  # before anything is computed, their size is estimated
            for job in states(unplanned):
                (job.folder / "metrics.json").unlink()
        seconds = estimate.each(unplanned.jobs.values(), unplanned.jobs.values())
        for job in unplanned.jobs.values():
            if isinstance(job, CellJob):
                assert seconds[job.id] > 1.5 * stored[job.id]
            if isinstance(job, StatesJob):
                assert seconds[job.id] == 0 < stored[job.id]
