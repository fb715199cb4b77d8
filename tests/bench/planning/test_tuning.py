"""Protocol tuned(k): the drawn settings, trials that never read test rows, and the choice by held-out rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest

from bench.config.protocols import protocols
from bench.config.request import make_request
from bench.config.settings import PRESETS
from bench.errors import UserError
from bench.jobs import CellJob, TunedJob
from bench.leaderboard import write_report
from bench.planning import tuning
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.files import read_json
from bench.training.tuned import best_trial
from methods import discover

SETTINGS = PRESETS["smoke"].settings
TRIALS = 3


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_method_can_be_drawn_within_its_ranges(name: str) -> None:
    """Searched settings differ between trials and stay within what is declared; the first trial is the defaults."""
    config = discover()[name].Config()
    assert tuning.trial_settings(config, SETTINGS, name, 0) == (config, SETTINGS)
    result = [tuning.trial_settings(config, SETTINGS, name, number) for number in range(1, 9)]
    for entry in fields(config):
        search, values = entry.metadata.get("search"), [getattr(own, entry.name) for own, _ in result]
        if search is None:
            assert set(values) == {entry.default}
        elif len(search) == 2 and not any(isinstance(end, str | bool) for end in search):
            assert all(search[0] <= value <= search[1] for value in values)
            assert len(set(values)) > 1
        else:
            assert set(values) <= set(search)
    assert result == [tuning.trial_settings(config, SETTINGS, name, number) for number in range(1, 9)]


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_drawn_value_has_the_type_of_its_field(name: str) -> None:
    """`real_rows`, an int or None, was drawn as 22.38, and the training failed."""
    config = discover()[name].Config()
    hints = get_type_hints(type(config))
    for number in range(1, 9):
        own = tuning.trial_settings(config, SETTINGS, name, number)[0]
        for entry in fields(config):
            allowed = {get_origin(hint) or hint for hint in (get_args(hints[entry.name]) or (hints[entry.name],))}
            if allowed <= {int, float, bool, type(None)}:
                assert type(getattr(own, entry.name)) in allowed, entry.name


def test_settings_of_the_user_are_not_searched() -> None:
    config = discover()["dimp"].Config(clip=20.0)
    result = [tuning.trial_settings(config, SETTINGS, "dimp", number)[0] for number in range(5)]
    assert {own.clip for own in result} == {20.0}
    assert len({own.gamma for own in result}) == 5


def test_training_is_drawn_alike_for_every_method() -> None:
    """Trial for trial the same learning rates and updates, over a factor of 9 and of 4."""
    drawn = [
        [tuning.trial_settings(discover()[name].Config(), SETTINGS, name, i)[1] for i in range(200)]
        for name in ("ce", "gce")
    ]
    assert drawn[0] == drawn[1]
    rates = np.array([settings.lr for settings in drawn[0]]) / SETTINGS.lr
    updates = np.array([settings.updates for settings in drawn[0]]) / SETTINGS.updates
    assert 1 / 3 <= rates.min() < 0.4 < 2.5 < rates.max() <= 3
    assert 0.5 <= updates.min() <= 0.625 < 1.75 <= updates.max() <= 2


def test_the_number_of_trials_is_written_plainly() -> None:
    assert [one.label for one in protocols("tuned(8), tuned(trials=3), tuned(2,share=0.4)")] == [
        "tuned(8)",
        "tuned(3)",
        "tuned(2,share=0.4)",
    ]
    with pytest.raises(UserError, match="trials must be at least 1, not 0"):
        protocols("tuned(0)")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Plan:
    """A finished grid of two tuned methods and one seed."""
    from bench.execution.worker import run_job

    root = tmp_path_factory.mktemp("store")
    request = make_request(
        methods="ce,dimp",
        protocol=f"tuned({TRIALS})",
        encoder=str(tiny_encoder),
        preset="smoke",
        seeds=1,
        test_size=100,
    )
    plan = make_plan(request, root)
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause
    path = write_report(describe(plan, "bench run"), root, root / "reports", figures=False)
    assert path.exists()
    return plan


def tables(plan: Plan) -> dict[str, TunedJob]:
    """The cells of the table by label."""
    return {plan.cells[job.id]: job for job in plan.jobs.values() if isinstance(job, TunedJob)}


def test_trials_never_read_test_rows(tuned: Plan) -> None:
    """Their roles name no test rows; they are tested on real rows that no method and no checker trains on."""
    for label, job in tables(tuned).items():
        assert len(job.trials) == TRIALS
        assert job.select is not None
        for trial in job.trials:
            read = [getattr(trial, name) for name in trial.spec.data]
            assert job.test.tokens not in {role.tokens for role in read}
            tested = pd.read_parquet(trial.folder / "predictions.parquet")
            assert sorted(tested["id"]) == sorted(job.select.ids), label
        trained = [entry for entry in tuned.jobs.values() if isinstance(entry, CellJob) and "real" in entry.spec.data]
        assert all(not np.isin(entry.real.ids, job.select.ids).any() for entry in trained)


def test_test_rows_do_not_change_the_choice(tuned: Plan, tiny_encoder: Path) -> None:
    """With other test rows the trials are the same trainings, so they choose the same.

    A checker is a cell with a test of its own, whose id moves with the test rows; its training does not.
    """
    options = {"protocol": f"tuned({TRIALS})", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1}
    other = make_plan(make_request(methods="ce,dimp", test_size=50, **options), tuned.root)  # type: ignore[arg-type]
    for label, job in tables(other).items():
        known = tables(tuned)[label]
        assert job.id != known.id
        assert [replace(trial.spec, table_ids={}).id for trial in job.trials] == [
            replace(trial.spec, table_ids={}).id for trial in known.trials
        ]


def test_the_best_trial_is_what_is_tested(tuned: Plan) -> None:
    """By held-out accuracy, then log-loss, then order; its training is the trial's, update for update."""
    for job in tables(tuned).values():
        trials = read_json(job.folder / "trials.json")
        metrics = [read_json(trial.folder / "metrics.json") for trial in job.trials]
        order = sorted(range(TRIALS), key=lambda i: (-metrics[i]["accuracy"], metrics[i]["log_loss"], i))
        assert trials["chosen"] == order[0]
        winner = job.trials[order[0]]
        losses = [
            [json.loads(line)["loss"] for line in (folder / "history.jsonl").read_text().splitlines()]
            for folder in (winner.folder, job.folder)
        ]
        assert losses[0] == pytest.approx(losses[1])
        assert len(losses[1]) == winner.spec.settings["updates"]
        assert sorted(pd.read_parquet(job.folder / "predictions.parquet")["id"]) == sorted(job.test.ids)
        assert read_json(job.folder / "spec.json")["chosen"] == trials["trials"][order[0]]


def test_ties_go_to_the_earlier_trial() -> None:
    results = [
        {"accuracy": 0.5, "log_loss": 0.7},
        {"accuracy": 0.6, "log_loss": 0.7},
        {"accuracy": 0.6, "log_loss": 0.7},
    ]
    assert best_trial(results) == 1
    results[2]["log_loss"] = 0.6
    assert best_trial(results) == 2


def test_the_table_shows_what_was_chosen_and_what_it_cost(tuned: Plan) -> None:
    """A line per method and seed; standalone passes count every trial."""
    text = (tuned.root / "reports" / "leaderboard.md").read_text()
    assert f"protocol: tuned({TRIALS})\n" in text
    for label, job in tables(tuned).items():
        chosen = read_json(job.folder / "spec.json")["chosen"]
        assert f"- {label}, seed 0: " in text
        assert f"lr {chosen['lr']}, updates {chosen['updates']} (trial {chosen['number'] + 1}" in text
        (entry,) = (entry for entry in tuned.sections[0]["methods"] if entry["label"] == label)
        assert {str(trial.folder.relative_to(tuned.root)) for trial in job.trials} <= set(entry["needs"]["0"])


@pytest.fixture(scope="module")
def sungen(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Plan:
    """A plan of a method whose trials read real rows where its defaults do not: outer=real is drawn."""
    options = {"encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, "test_size": 100}
    request = make_request(
        methods="dimp,kmm,sungen(rounds=1)",
        protocol="tuned(2)",
        settings={"train_layers": "all", "updates": 4},
        **options,  # type: ignore[arg-type]
    )
    return make_plan(request, tmp_path_factory.mktemp("store"))


def test_a_tuned_cell_declares_what_its_trials_read(sungen: Plan) -> None:
    """The report said that no real rows were used, where the chosen trial followed gradients on them."""
    job = tables(sungen)["sungen(rounds=1)"]
    assert [trial.spec.hyperparameters["outer"] for trial in job.trials] == ["robust", "real"]
    assert job.spec.data["real"] == job.trials[1].spec.data["real"]
    assert job.spec_json["real_use"] == "gradient"
    assert job.spec_json["rows"]["real"] == len(job.real.ids)
    uses = {entry["label"]: (entry["real_use"], entry["real_rows"]) for entry in sungen.sections[0]["methods"]}
    rows = len(job.real.ids)
    assert uses == {
        "dimp": ("checker", rows),
        "kmm": ("texts by class", rows),
        "sungen(rounds=1)": ("gradient", rows),
    }


def test_a_chosen_trial_finds_the_tokens_of_its_real_rows(sungen: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all layers train, the embeddings are of the tokens of the rows that the tuned cell declares."""
    from bench.execution.worker import run_job

    job = tables(sungen)["sungen(rounds=1)"]
    monkeypatch.setattr("bench.training.tuned.best_trial", lambda results: 1)
    todo = [sungen.jobs[need] for need in job.needs]
    for one in [*sorted(todo, key=lambda one: isinstance(one, CellJob)), job]:
        outcome = run_job(one)
        assert outcome.state == "done", outcome.cause


def test_nothing_is_tried_twice(tuned: Plan, tiny_encoder: Path, run_here: Callable[..., Plan]) -> None:
    """More trials of the same grid start with those that are there."""
    options = {"methods": "ce", "encoder": str(tiny_encoder), "preset": "smoke", "seeds": 1, "test_size": 100}
    more = make_plan(make_request(protocol=f"tuned({TRIALS + 2})", **options), tuned.root)  # type: ignore[arg-type]
    ids = [trial.id for trial in tables(more)["ce"].trials]
    assert ids[:TRIALS] == [trial.id for trial in tables(tuned)["ce"].trials]
    assert len(set(ids)) == TRIALS + 2
