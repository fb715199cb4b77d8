"""The training of a tuned cell with the settings of its best trial."""

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
    """Train the best trial's settings and evaluate on the test rows; `trials.json` has all trials and their results."""
    from bench.training import cell

    results = [read_json(trial.folder / DONE) for trial in job.trials]
    best = best_trial(results)
    winner = job.trials[best]
    trials = [
        {
            "number": number,
            **changes(trial, job.trials[0]),
            "accuracy": metrics["accuracy"],
            "log_loss": metrics["log_loss"],
        }
        for number, (trial, metrics) in enumerate(zip(job.trials, results, strict=True))
    ]
    write_json(job.folder / "trials.json", {"chosen": best, "trials": trials})
    tuned_cell = replace(
        job,
        spec=replace(winner.spec, data=job.spec.data),
        tables=winner.tables,
        real_tables=winner.real_tables,
        spec_json={**job.spec_json, "chosen": trials[best]},
    )
    return cell.build(tuned_cell, training)


def best_trial(results: list[dict[str, Any]]) -> int:
    """The trial, from 0, with the best accuracy on the selection rows; then log-loss and the earlier trial decide."""
    return min(range(len(results)), key=lambda i: (-results[i]["accuracy"], results[i]["log_loss"], i))


def changes(trial: CellJob, defaults: CellJob) -> dict[str, Any]:
    """A trial's learning rate, updates, and the hyper-parameters that differ from the first trial, the defaults."""
    default = defaults.spec.hyperparameters
    changed = {name: value for name, value in trial.spec.hyperparameters.items() if value != default[name]}
    return {"lr": trial.spec.settings["lr"], "updates": trial.spec.settings["updates"], "hyperparameters": changed}
