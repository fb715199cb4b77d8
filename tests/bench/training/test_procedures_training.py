"""Procedures in the training loop: every registered method once, for what it costs and what it leaves."""

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

Run = Callable[..., Plan]
OPTIONS = {"hu": "hu(pretrain=0.25)", "sungen": "sungen(rounds=2)"}  # so that their loops turn in eight updates


def cells(made: Plan) -> dict[str, CellJob]:
    """The cells of a one-seed plan by method label."""
    return {made.cells[job.id]: job for job in made.jobs.values() if isinstance(job, CellJob) and job.id in made.cells}


def read(job: CellJob, name: str) -> dict[str, object]:
    """A JSON file of a cell."""
    return dict(json.loads((job.folder / name).read_text()))


def losses(job: CellJob) -> list[float]:
    """The training loss of each update of the model that counts."""
    return [json.loads(line)["loss"] for line in (job.folder / "history.jsonl").read_text().splitlines()]


def weights(job: CellJob) -> pd.DataFrame:
    """The effective weights of each visit."""
    return pd.read_parquet(job.folder / "weights.parquet")


def test_what_every_method_declares_is_what_it_passes(run_here: Run) -> None:
    """Passes counted over passes of `ce`, against the declared cost: equal, or below where rows are skipped."""
    from bench.config.method_choice import missing_package

    names = [OPTIONS.get(name, name) for name, cls in discover().items() if not missing_package(cls)]
    made = cells(run_here(methods=",".join(names)))
    counted = {label: read(job, "timing.json")["passes"]["train_rows"] for label, job in made.items()}  # type: ignore[index]
    for label, job in made.items():
        declared = cost(job)
        relative = counted[label] / counted["ce"]
        assert relative <= declared * 1.01, label
        if job.spec.method not in ("infobatch", "supergen-filter"):
            assert relative >= declared * 0.95, label  # a set that batches do not divide has smaller ones


def test_networks_side_by_side(run_here: Run) -> None:
    """Without rows left out, the first of two networks is the `ce` cell; both networks' weights are kept."""
    made = cells(run_here(methods="ce,co-teaching(rate=0),co-teaching(rate=0.5)"))
    a, b = (pd.read_parquet(made[label].folder / "predictions.parquet") for label in ("ce", "co-teaching(rate=0.0)"))
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert "network" not in weights(made["ce"])
    kept = weights(made["co-teaching(rate=0.5)"])
    assert kept.groupby("network").size().tolist() == [64, 64]
    first, second = (kept[kept["network"] == number] for number in (0, 1))
    assert first["id"].tolist() == second["id"].tolist()
    assert first["weight"].tolist() != second["weight"].tolist()


def test_phases_follow_each_other_on_their_rows(run_here: Run) -> None:
    """First the updates of a shorter `ce`, then real rows at the full rate again."""
    made = cells(run_here(methods="ce,real-finetune"))
    job = made["real-finetune"]
    visits = weights(job)
    roles = visits.groupby("epoch")["role"].unique().map(list).tolist()
    assert roles[0] == ["generated"]
    assert roles[-1] == ["real"]
    history = [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]
    assert [row["step"] for row in history] == list(range(8))
    assert [row["lr"] for row in history[:4]] == [row["lr"] for row in history[4:]]
    assert losses(job)[0] == pytest.approx(losses(made["ce"])[0], abs=1e-6)


def test_rounds_leave_no_trace_but_their_weights(run_here: Run) -> None:
    """What counts starts as `ce` does: same rows and dropout; its history and weights are of that training alone."""
    made = cells(run_here(methods="ce,sungen(rounds=2),sungen(outer=real,rounds=1)"))
    ce = made["ce"]
    for label in ("sungen(rounds=2)", "sungen(outer=real,rounds=1)"):
        visits = weights(made[label])
        assert visits[["id", "epoch"]].equals(weights(ce)[["id", "epoch"]])
        assert visits["weight"].between(0, 1).all()
        assert visits["weight"].nunique() > 1
        shares = visits["weight"].to_numpy().reshape(8, 8).mean(1)
        ratio = losses(made[label])[0] / losses(ce)[0]  # near chance every row's loss is about the same
        assert ratio == pytest.approx(shares[0], rel=0.2)


def test_skipped_rows_are_visits_of_weight_0(run_here: Run) -> None:
    """Batches keep their size in the books, and the sum of the weights stays that of the rows, about."""
    job = cells(run_here(methods="infobatch(until=1.0)", settings={"updates": "24"}))["infobatch(until=1.0)"]
    visits = weights(job)
    assert len(visits) == 24 * 8
    assert set(visits["weight"]) == {0.0, 1.0, 2.0}
    assert (visits[visits["epoch"] == 0]["weight"] == 1).all()
    passes = read(job, "timing.json")["passes"]
    assert passes["forward_rows"] == (visits["weight"] > 0).sum()  # type: ignore[index]


@pytest.mark.parametrize("method", ["l2rw", "hu(pretrain=0.25)", "meta-weight-net"])
def test_states_serve_the_look_ahead(method: str, run_here: Run, tmp_path: Path) -> None:
    """Weights that follow gradients are those of the whole model, cached states or not."""
    from bench.execution.worker import run

    (job,) = cells(run_here(methods=method)).values()
    plain = replace(
        job,
        folder=tmp_path / "plain",
        **{name: replace(getattr(job, name), states=None) for name in ("generated", "real", "scored", "test")},
    )
    assert run(plain).state == "done"
    found = weights(plain)["weight"].to_numpy()
    np.testing.assert_allclose(found, weights(job)["weight"].to_numpy(), atol=2e-3)
    assert np.std(found) > 0


def test_ids_hold_the_real_rows_of_who_reads_them(tiny_encoder: Path, tmp_path: Path) -> None:
    """Another small real set is another cell for look-ahead on it, not for SunGen's robust loss."""

    def ids(tasks: str) -> dict[str, str]:
        asked = make_request(
            methods="l2rw,hu,meta-weight-net,sungen,sungen(outer=real),real-finetune,co-teaching",
            tasks=tasks,
            encoder=str(tiny_encoder),
            preset="smoke",
            seeds=1,
        )
        return {label: job.spec.id for label, job in cells(make_plan(asked, tmp_path)).items()}

    first, second = ids("twitter"), ids("twitter[real=40]")
    same = {label for label in first if first[label] == second[label]}
    assert same == {"sungen", "co-teaching"}


def test_a_group_names_what_it_leaves_out_for_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than ten CE cells: not in `all`, said why; asked for by name it is there."""
    monkeypatch.setattr(discover()["sungen"], "declared_cost", classmethod(lambda cls, config, budget: 12.5))
    asked = make_request(methods="all", seeds=1)
    assert asked.left_out["sungen"] == "it costs 12.5 times as much as ce; name it to run it"
    assert "sungen" not in {choice.cls.name for choice in asked.methods}
    assert [choice.cls.name for choice in make_request(methods="sungen", seeds=1).methods] == ["sungen"]


def test_no_method_of_all_costs_more_than_ten_cells() -> None:
    """In preset quick with a real set of the usual size, at the defaults."""
    assert max(cls.declared_cost(cls.Config(), Budget()) for cls in discover().values()) <= 10


def test_selection_looks_at_the_model_that_counts(run_here: Run) -> None:
    """After each of its epochs and its last update; rounds and the seam between phases are not looked at."""
    asked = {"methods": "real-finetune,sungen(rounds=1)", "protocol": "held-out", "settings": {"updates": "12"}}
    for job in cells(run_here(**asked)).values():
        history = [json.loads(line) for line in (job.folder / "history.jsonl").read_text().splitlines()]
        assert [row["step"] for row in history if "select_accuracy" in row] == [7, 11]
