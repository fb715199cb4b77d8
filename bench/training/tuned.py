"""Training the best of the trials of a tuned cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.jobs import CellJob, TunedJob
from bench.store.files import read_json, write_json
from bench.store.layout import DONE

if TYPE_CHECKING:
    from bench.training.cell import Trained


def build(job: TunedJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Choose the best trial and train it with the test rows; `trials.json` has what was tried and how it did."""
    from bench.training import cell

    results = [read_json(trial.folder / DONE) for trial in job.trials]
    best = chosen(results)
    winner = job.trials[best]
    trials = [
        {
            "number": number,
            **changes(trial, job.trials[0]),
            "accuracy": found["accuracy"],
            "log_loss": found["log_loss"],
        }
        for number, (trial, found) in enumerate(zip(job.trials, results, strict=True))
    ]
    write_json(job.folder / "trials.json", {"chosen": best, "trials": trials})
    trained = replace(
        job,
        spec=replace(winner.spec, data=job.spec.data),
        tables=winner.tables,
        real_tables=winner.real_tables,
        spec_json={**job.spec_json, "chosen": trials[best]},
    )
    return cell.build(trained, training)


def chosen(results: list[dict[str, Any]]) -> int:
    """Which trial did best on the rows that select."""
    return min(range(len(results)), key=lambda i: (-results[i]["accuracy"], results[i]["log_loss"], i))


def changes(trial: CellJob, defaults: CellJob) -> dict[str, Any]:
    """The settings of a trial that are searched: those that differ from the first trial's, and the training's."""
    theirs = defaults.spec.hyperparameters
    differ = {name: value for name, value in trial.spec.hyperparameters.items() if value != theirs[name]}
    return {"lr": trial.spec.settings["lr"], "updates": trial.spec.settings["updates"], "hyperparameters": differ}
