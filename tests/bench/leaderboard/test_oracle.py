"""The task `oracle`, whose true distributions are known: weights and classifiers compared with theory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.jobs import CellJob
from bench.leaderboard.extra_tables.oracle import Truth, against_truth
from bench.leaderboard.read.row_weights import RowWeights, read
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store import hidden_columns
from bench.store.folders import finish
from tasks import Rows, TaskData, load, stressed
from tasks.oracle import Processes


def posterior(rows: Rows, effect: np.ndarray) -> np.ndarray:
    """P(south | x) by counting words, computed in another way than by the task."""
    from tasks.oracle import WORDS

    counts = np.array([[text.split().count(word) for word in WORDS] for text in rows.texts])
    return 1 / (1 + np.exp(-counts @ effect))


@pytest.mark.parametrize("knobs", [{}, {"conditional": 0.5, "covariate": 0.0}])
def test_hidden_columns_are_the_closed_form(knobs: dict[str, float]) -> None:
    data = load("oracle", options=knobs)
    known = Processes.with_distances(knobs.get("conditional", 1.0), knobs.get("covariate", 0.5))
    for rows in (data.generated, data.test):
        for name, effect in (("log_p", known.effect_p), ("log_q", known.effect_q)):
            south = posterior(rows, effect)
            assert np.exp(rows.hidden[name]) == pytest.approx(np.stack([1 - south, south], axis=1))
    # Labels are drawn from them: as many of each kind as expected, within four standard errors.
    for rows, name in ((data.generated, "log_q"), (data.test, "log_p"), (data.pool, "log_p")):
        south = np.exp(rows.hidden[name][:, 1])
        error = np.sqrt((south * (1 - south)).sum())
        assert abs(rows.labels.sum() - south.sum()) < 4 * error


def ratio(data: TaskData) -> np.ndarray:
    """P(y|x)/Q(y|x) of the rows' labels."""
    rows = data.generated
    at = np.arange(len(rows)), rows.labels
    return np.asarray(np.exp(rows.hidden["log_p"][at] - rows.hidden["log_q"][at]))


def test_the_true_ratio_has_mean_one_over_q_and_is_one_where_p_is_q() -> None:
    assert ratio(load("oracle", options={"conditional": 0.0})) == pytest.approx(1)
    result = ratio(load("oracle", options={"conditional": 0.5}))
    assert abs(result.mean() - 1) < 4 * result.std() / np.sqrt(len(result))
    joint = load("oracle", options={"conditional": 0.5}).generated.hidden["log_x"]
    assert abs(np.exp(joint).mean() - 1) < 4 * np.exp(joint).std() / np.sqrt(len(joint))


@pytest.mark.parametrize("kind", ["uniform", "pair"])
def test_q_includes_label_noise(kind: str) -> None:
    """Q(given | x) = sum over the true label of Q(true | x) P(given | true): by the share of flips in each class."""
    data = load("oracle")
    noisy = stressed(data, {"noise": 0.3, "noise_kind": kind}, 0).generated
    before, after = data.generated.labels, noisy.labels
    flip = [(after != before)[before == label].mean() for label in (0, 1)]
    q = np.exp(data.generated.hidden["log_q"])
    expected = q[:, 1] * (1 - flip[1]) + q[:, 0] * flip[0]
    assert np.exp(noisy.hidden["log_q"][:, 1]) == pytest.approx(expected)


def test_noise_that_depends_on_the_text_has_no_closed_form() -> None:
    noisy = stressed(load("oracle"), {"noise": 0.3, "noise_kind": "instance"}, 0).generated
    assert "log_q" not in noisy.hidden


def planned(tmp_path: Path, task: str, **settings: object) -> tuple[Plan, dict[str, CellJob]]:
    """An IMP cell with its checkers, by method."""
    request = make_request(methods="imp", tasks=task, seeds=1, preset="scratch", settings=settings)
    plan = make_plan(request, tmp_path / "runs")
    hidden_columns.save(plan.hidden, plan.root)
    return plan, {job.spec.method: job for job in plan.jobs.values() if isinstance(job, CellJob)}


def build(plan: Plan, but: tuple[str, ...] = ()) -> None:
    """Run the jobs of a plan, except the cells of the methods in `but`."""
    from bench.execution.worker import run_job

    for job in plan.jobs.values():
        if not (isinstance(job, CellJob) and job.spec.method in but):
            assert run_job(job).state == "done"


def truth(plan: Plan, job: CellJob) -> Truth:
    """The weights of a cell compared with the true ratio."""
    weights = read(job.folder, plan.root, plan.sections[0]["records"]["0"]["generated"], None)
    assert isinstance(weights, RowWeights)
    result = against_truth(weights)
    assert result is not None
    return result


@pytest.mark.parametrize("task", ["oracle", "oracle[noise=0.2]"])
def test_with_exact_checkers_imp_recovers_the_true_ratio(tmp_path: Path, task: str) -> None:
    plan, jobs = planned(tmp_path, task, updates=40)
    rows = plan.hidden[plan.sections[0]["records"]["0"]["generated"]]
    for method, name in (("real-only", "log_p"), ("ce", "log_q")):
        folder = jobs[method].folder
        folder.mkdir(parents=True)
        scores = {f"logp_{k}": rows.hidden[name][:, k].astype(np.float32) for k in range(2)}
        pd.DataFrame({"id": rows.ids, **scores}).to_parquet(folder / "train_scores.parquet", index=False)
        finish(folder, {"accuracy": 0.0})
    build(plan)
    result = truth(plan, jobs["imp"])
    assert result.rank == pytest.approx(1, abs=1e-6)
    assert result.log_error < 1e-4
    assert result.ess == pytest.approx(result.ess_true, rel=1e-3)


@pytest.mark.slow
def test_where_p_is_q_importance_weights_approach_one(tmp_path: Path) -> None:
    """Both checkers learn the same process; the ratio of their probabilities is 1 up to errors of learning."""
    errors = {}
    for name, task in (("equal", "oracle[conditional=0,covariate=0,real=2000]"), ("apart", "oracle[real=2000]")):
        plan, jobs = planned(tmp_path / name, task, updates=80)
        build(plan)
        weights = read(jobs["imp"].folder, plan.root, plan.sections[0]["records"]["0"]["generated"], None)
        assert isinstance(weights, RowWeights)
        errors[name] = float(np.sqrt((np.log(weights.weight) ** 2).mean()))
        if name == "apart":
            assert truth(plan, jobs["imp"]).rank > 0.6, "and where they differ the weights follow the true ratio"
    assert errors["equal"] < 0.4
    assert errors["equal"] < errors["apart"] / 3
