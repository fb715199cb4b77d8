"""Stress in the grid: shared checkers are trained once, and no method can see the hidden columns."""

from __future__ import annotations

import gc
import inspect
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.config.task_choice import choose_tasks
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store import hidden_columns
from methods.base import Batch, Context, Losses, PointwiseLoss
from methods.ce import CrossEntropy
from tasks import load, stressed

Run = Callable[..., Plan]


def trainings(plan: Plan) -> list[str]:
    """The titles of all trainings, checkers included."""
    return sorted(job.title for job in plan.jobs.values() if isinstance(job, CellJob))


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ("twitter,twitter[noise=0.2],twitter[noise=0.4]", {"ce": 3, "real-only": 1, "dimp": 3}),
        ("twitter,twitter[duplicates=0.5]", {"ce": 2, "real-only": 1, "dimp": 2}),
        ("twitter,twitter[real=20]", {"ce": 1, "real-only": 2, "dimp": 2}),
        ("twitter,twitter[shift=3]", {"ce": 2, "real-only": 2, "dimp": 2}),
        ("twitter,twitter[noise=0],twitter[noise_kind=pair,imbalance=1]", {"ce": 1, "real-only": 1, "dimp": 1}),
    ],
)
def test_cells_that_an_axis_does_not_touch_are_run_once(
    tmp_path: Path, tiny_encoder: Path, tasks: str, expected: dict[str, int]
) -> None:
    request = make_request(methods="ce,real-only,dimp", tasks=tasks, seeds=2, encoder=str(tiny_encoder), preset="smoke")
    titles = trainings(make_plan(request, tmp_path / "runs"))
    result = {name: sum(f" {name} seed" in title for title in titles) for name in expected}
    assert result == {name: 2 * count for name, count in expected.items()}


def test_references_are_written_one_way() -> None:
    typed = "twitter[noise_kind=pair,noise=0.20],twitter[real=7,noise=0]"
    labels = [task.label for task in choose_tasks(typed, {}, None)]
    assert labels == ["twitter[noise=0.2,noise_kind=pair]", "twitter[real=7]"]


def test_duplicates_are_trained_on_with_the_scores_of_their_texts(run_here: Run) -> None:
    plan = run_here(methods="imp", tasks="twitter[duplicates=2]")
    (job,) = [job for job in plan.jobs.values() if isinstance(job, CellJob) and job.spec.method == "imp"]
    hidden_columns.save(plan.hidden, plan.root)
    hidden = hidden_columns.read(plan.root, plan.sections[0]["records"]["0"]["generated"])
    assert hidden is not None
    weights = pd.read_parquet(job.folder / "weights.parquet").merge(hidden, on="id", validate="many_to_one")
    assert (weights["copy_of"] >= 0).any()
    weights["text"] = np.where(weights["copy_of"] < 0, weights["id"], weights["copy_of"])
    assert weights.groupby("text")["weight"].nunique().max() == 1, "the static weight is that of the text"
    assert weights.groupby("text")["id"].nunique().max() > 1


def test_hidden_columns_hold_the_labels_before_noise(run_here: Run) -> None:
    plan = run_here(methods="ce", tasks="twitter[noise=0.3,generated=40]")
    hidden_columns.save(plan.hidden, plan.root)
    result = hidden_columns.read(plan.root, plan.sections[0]["records"]["0"]["generated"])
    assert result is not None
    rows = stressed(load("twitter"), {"generated": 40, "noise": 0.3}, 0)
    assert (result["label"] != result["label_clean"]).sum() == 12
    assert len(rows.generated) == len(result) == 40
    assert hidden_columns.read(plan.root, None) is None


def reachable(start: list[Any]) -> Iterator[Any]:
    """Everything that can be reached from some objects, modules and classes aside."""
    seen, queue = set[int](), list(start)
    while queue:
        value = queue.pop()
        if id(value) in seen or isinstance(value, types.ModuleType | type):
            continue
        seen.add(id(value))
        yield value
        queue += gc.get_referents(value) if not isinstance(value, types.FunctionType) else []


def test_a_method_that_searches_for_hidden_columns_finds_none(run_here: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It searches its batch, its context and the variables of every function of the worker that called it."""
    seen: list[Any] = []

    def start(self: CrossEntropy, context: Context) -> None:
        seen.append(context)

    def losses(self: CrossEntropy, batch: Batch) -> Losses:
        if len(seen) == 1:
            frames = [frame.frame for frame in inspect.stack()]
            top = next(i for i, frame in enumerate(frames) if frame.f_code.co_filename.endswith("worker.py"))
            seen.extend(reachable([*seen, batch, *(frame.f_locals for frame in frames[: top + 1])]))
        return PointwiseLoss.losses(self, batch)

    monkeypatch.setattr(CrossEntropy, "start", start)
    monkeypatch.setattr(CrossEntropy, "losses", losses)
    plan = run_here(methods="ce", tasks="twitter[noise=0.3]")
    (rows,) = plan.hidden.values()
    arrays = [value for value in seen if isinstance(value, np.ndarray) and value.shape == (len(rows),)]
    assert any(np.array_equal(value, rows.labels) for value in arrays), "the search does reach the labels"
    clean = rows.hidden["label_clean"]
    assert not any(np.array_equal(value, clean) for value in arrays)
    assert not any(isinstance(value, str) and value == "label_clean" for value in seen)
