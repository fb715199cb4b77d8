"""Procedures in the training loop: every registered method once, its cost and its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.jobs import CellJob
from bench.planning.estimate import cost
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from methods import discover
from methods.hooks import Budget
from tests.bench.training.test_trainer import losses, weights

Run = Callable[..., Plan]
# So that loops turn in eight updates, and columns are those of the bundled rows.
OPTIONS = {
    "hu": "hu(pretrain=0.25)",
    "sungen": "sungen(rounds=2)",
    "score": "score(column=topic)",
    "group-dro": "group-dro(column=topic)",
}


def cells(plan: Plan) -> dict[str, CellJob]:
    """The cells of a one-seed plan by method label."""
    return {plan.cells[job.id]: job for job in plan.jobs.values() if isinstance(job, CellJob) and job.id in plan.cells}


def read(job: CellJob, name: str) -> dict[str, object]:
    """A JSON file of a cell."""
    return dict(json.loads((job.folder / name).read_text()))


@pytest.mark.slow
def test_every_method_costs_what_it_declares(run_here: Run) -> None:
    """Passes counted over passes of `ce`, against the declared cost: equal, or below where rows are skipped."""
    from bench.config.method_choice import missing_package

    names = [OPTIONS.get(name, name) for name, cls in discover().items() if not missing_package(cls)]
    jobs = cells(run_here(methods=",".join(names)))
    counted = {label: read(job, "timing.json")["passes"]["train_rows"] for label, job in jobs.items()}  # type: ignore[index]
    for label, job in jobs.items():
        declared = cost(job)
        relative = counted[label] / counted["ce"]
        assert relative <= declared * 1.01, label
        if job.spec.method not in ("infobatch", "supergen-filter"):
            assert relative >= declared * 0.95, label  # a set that batches do not divide has smaller ones


def test_a_pool_of_candidates(run_here: Run) -> None:
    """Scored without gradient, and only the chosen ones are trained on; their weights make up for the others."""
    jobs = cells(run_here(methods="ce,rho(share=0.25),rho(share=0.25,pool=4)"))
    one, pool = jobs["rho(share=0.25)"], jobs["rho(share=0.25,pool=4)"]
    visits = weights(pool)
    assert len(visits) == 4 * len(weights(one)) == 8 * 32
    chosen = visits[visits["weight"] > 0]
    assert len(chosen) == 8 * 8
    assert chosen["weight"].tolist() == [4.0] * len(chosen)
    timing = read(pool, "timing.json")["passes"]
    assert (timing["forward_rows"], timing["backward_rows"]) == (8 * (32 + 8), 8 * 8)  # type: ignore[index]
    assert cost(pool) == pytest.approx(4 / 3 + 1)
    assert timing["train_rows"] / read(jobs["ce"], "timing.json")["passes"]["train_rows"] == pytest.approx(cost(pool))  # type: ignore[index]


def test_networks_side_by_side(run_here: Run) -> None:
    """Without rows left out, the first of two networks is the `ce` cell; both networks' weights are stored."""
    jobs = cells(run_here(methods="ce,co-teaching(rate=0),co-teaching(rate=0.5)"))
    a, b = (pd.read_parquet(jobs[label].folder / "predictions.parquet") for label in ("ce", "co-teaching(rate=0.0)"))
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert "network" not in weights(jobs["ce"])
    visits = weights(jobs["co-teaching(rate=0.5)"])
    assert visits.groupby("network").size().tolist() == [64, 64]
    first, second = (visits[visits["network"] == number] for number in (0, 1))
    assert first["id"].tolist() == second["id"].tolist()
    assert first["weight"].tolist() != second["weight"].tolist()


def test_phases_follow_each_other_on_their_rows(run_here: Run) -> None:
    """First the updates of a shorter `ce`, then real rows at the full rate again."""
    jobs = cells(run_here(methods="ce,real-finetune"))
    job = jobs["real-finetune"]
    visits = weights(job)
    roles = visits.groupby("epoch")["role"].unique().map(list).tolist()
    assert roles[0] == ["generated"]
    assert roles[-1] == ["real"]
    history = [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in history] == list(range(8))
    assert [row["lr"] for row in history[:4]] == [row["lr"] for row in history[4:]]
    assert losses(job)[0] == pytest.approx(losses(jobs["ce"])[0], abs=1e-6)


def test_only_the_weights_of_rounds_reach_the_last_training(run_here: Run) -> None:
    """The last training starts as `ce` does: same rows and dropout. History and weights have no other training."""
    jobs = cells(run_here(methods="ce,sungen(rounds=2),sungen(outer=real,rounds=1)"))
    ce = jobs["ce"]
    for label in ("sungen(rounds=2)", "sungen(outer=real,rounds=1)"):
        visits = weights(jobs[label])
        assert visits[["id", "epoch"]].equals(weights(ce)[["id", "epoch"]])
        assert visits["weight"].between(0, 1).all()
        assert visits["weight"].nunique() > 1
        shares = visits["weight"].to_numpy().reshape(8, 8).mean(1)
        ratio = losses(jobs[label])[0] / losses(ce)[0]  # near chance every row's loss is about the same
        assert ratio == pytest.approx(shares[0], rel=0.2)


def test_skipped_rows_are_visits_of_weight_0(run_here: Run) -> None:
    """Batches are stored with all their rows, and the sum of the weights stays about that of the rows."""
    job = cells(run_here(methods="infobatch(until=1.0)", settings={"updates": "24"}))["infobatch(until=1.0)"]
    visits = weights(job)
    assert len(visits) == 24 * 8
    assert set(visits["weight"]) == {0.0, 1.0, 2.0}
    assert (visits[visits["epoch"] == 0]["weight"] == 1).all()
    passes = read(job, "timing.json")["passes"]
    assert passes["forward_rows"] == (visits["weight"] > 0).sum()  # type: ignore[index]


@pytest.mark.parametrize("method", ["l2rw", "hu(pretrain=0.25)", "meta-weight-net"])
def test_states_do_not_change_look_ahead(method: str, run_here: Run, tmp_path: Path) -> None:
    """Weights from gradients are those of the whole model, with cached states or without."""
    from bench.execution.worker import run_job

    (job,) = cells(run_here(methods=method)).values()
    plain = replace(
        job,
        folder=tmp_path / "plain",
        **{name: replace(getattr(job, name), states=None) for name in ("generated", "real", "scored", "test")},
    )
    assert run_job(plain).state == "done"
    result = weights(plain)["weight"].to_numpy()
    np.testing.assert_allclose(result, weights(job)["weight"].to_numpy(), atol=2e-3)
    assert np.std(result) > 0


def test_real_rows_are_in_the_ids_of_methods_that_read_them(tiny_encoder: Path, tmp_path: Path) -> None:
    """Another small real set is another cell for look-ahead on it, not for SunGen's robust loss."""

    def ids(tasks: str) -> dict[str, str]:
        request = make_request(
            methods="l2rw,hu,meta-weight-net,sungen,sungen(outer=real),real-finetune,co-teaching",
            tasks=tasks,
            encoder=str(tiny_encoder),
            preset="smoke",
            seeds=1,
        )
        return {label: job.spec.id for label, job in cells(make_plan(request, tmp_path)).items()}

    first, second = ids("twitter"), ids("twitter[real=40]")
    same = {label for label in first if first[label] == second[label]}
    assert same == {"sungen", "co-teaching"}


def test_a_group_names_what_it_leaves_out_for_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that costs more than ten CE cells is not in `all`, with the reason; named itself, it runs."""
    monkeypatch.setattr(discover()["sungen"], "declared_cost", classmethod(lambda cls, config, budget: 12.5))
    request = make_request(methods="all", seeds=1)
    assert request.left_out["sungen"] == "it costs 12.5 times as much as ce; name it to run it"
    assert "sungen" not in {choice.cls.name for choice in request.methods}
    assert [choice.cls.name for choice in make_request(methods="sungen", seeds=1).methods] == ["sungen"]


def test_no_method_of_all_costs_more_than_ten_cells() -> None:
    """In preset quick with a real set of the usual size, at the defaults."""
    assert max(cls.declared_cost(cls.Config(), Budget()) for cls in discover().values()) <= 10


def test_selection_evaluates_the_last_training_only(run_here: Run) -> None:
    """After each of its epochs and its last update, not in earlier rounds or between phases."""
    options = {"methods": "real-finetune,sungen(rounds=1)", "protocol": "held-out", "settings": {"updates": "12"}}
    for job in cells(run_here(**options)).values():
        history = [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]
        assert [row["step"] for row in history if "select_accuracy" in row] == [7, 11]
