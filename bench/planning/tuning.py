"""Tuning on equal terms, protocol `tuned(k)`: k settings for every method, the best of them by held-out real rows.

The first trial is the method's defaults; the others draw each of its searched hyper-parameters, and learning rate and
updates, which all methods draw alike: trial 3 has the same of these for every method. A trial is a cell that is trained
on generated rows and the fitting part of the small real set, its test is the selecting part: test rows are not even
read. The winner, by accuracy, then log-loss, then the earlier trial, is trained once more and then tested.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np

from bench.config.method_choice import MethodChoice
from bench.config.protocols import Fixed, Tuned
from bench.config.settings import Settings
from bench.errors import UserError
from bench.jobs import CellJob, RoleRows, TunedJob
from bench.planning.describe import spec_json
from bench.seeds import derive
from methods.base import MethodConfig

if TYPE_CHECKING:
    from bench.planning.cell_planner import CellPlanner

# What is searched of the training itself, as factors of the preset's values.
LEARNING_RATE, UPDATES = (1 / 3, 3.0), (0.5, 2.0)
ATTEMPTS = 20  # draws of settings that exclude each other, before the search is given up


def add_trials(
    planner: CellPlanner, protocol: Tuned, choice: MethodChoice, seed: int, roles: Mapping[str, RoleRows]
) -> TunedJob:
    """Add a method's trials to a plan, and the job that trains the best of them."""
    # The rows that select are all that a trial is tested on.
    given = {**roles, "test": roles["select"]}
    trials = []
    for number in range(protocol.trials):
        config, settings = drawn(choice.config, planner.settings, choice.cls.name, number)
        named = replace(choice, config=config, label=f"{choice.label} trial {number + 1}/{protocol.trials}")
        trials.append(planner.cell(named, Fixed(), seed, given, requested=False, settings=settings))
    spec = planner.spec(choice, protocol, seed, roles, {f"trial-{i}": job.spec.id for i, job in enumerate(trials)})
    read = [role for name, role in roles.items() if name in spec.data]
    own = {planner.job_of_folder[path] for role in read for path in (role.tokens, role.states) if path is not None}
    needs = own | {job.id for job in trials} | {need for job in trials for need in job.needs}
    alike = {entry.name: getattr(trials[0], entry.name) for entry in fields(CellJob)}
    changed = {
        "id": f"cell/{spec.id}",
        "folder": planner.folder(spec, requested=True),
        "needs": tuple(sorted(needs)),
        "spec": spec,
        "spec_json": spec_json(planner, choice, spec, roles),
        # Of all trials: what the method costs with its tuning counts them.
        "tables": {name: path for trial in trials for name, path in trial.tables.items()},
        "real_tables": {name: path for trial in trials for name, path in trial.real_tables.items()},
        "trials": tuple(trials),
    }
    job = TunedJob(**{**alike, **changed, **roles})
    planner.plan.add(job)
    return job


def drawn(config: MethodConfig, settings: Settings, method: str, number: int) -> tuple[MethodConfig, Settings]:
    """The settings of a trial, from 0, whose settings are those given."""
    if number == 0:
        return config, settings
    assert settings.updates is not None, "settings are resolved before a cell is made"
    lr = settings.lr * draw(LEARNING_RATE, True, "training", "lr", number)
    updates = max(1, round(settings.updates * draw(UPDATES, True, "training", "updates", number)))
    # Four digits are all that a table shows, and what one can type again.
    return hyper(config, method, number), replace(settings, lr=short(lr), updates=updates)


def hyper(config: MethodConfig, method: str, number: int) -> MethodConfig:
    """A method's searched hyper-parameters drawn, but for those that are not at their default: somebody chose them.

    Each has draws of its own, so a new one shifts no other.
    """
    hints = get_type_hints(type(config))
    free = [entry for entry in fields(config) if getattr(config, entry.name) == entry.default]
    searched = [entry for entry in free if entry.metadata.get("search") is not None]
    for attempt in range(ATTEMPTS):
        values = {
            entry.name: draw(entry.metadata["search"], entry.metadata["log"], method, entry.name, number, attempt)
            for entry in searched
        }
        try:
            return replace(config, **{name: round(v) if hints[name] is int else v for name, v in values.items()})
        except ValueError:
            continue  # settings that exclude each other
    raise UserError(f"tuned: no valid setting of {method} among {ATTEMPTS} draws from its ranges")


def draw(search: tuple[Any, ...], log: bool, *names: str | int) -> Any:
    """One of the choices, or a number of the range, uniform or on a logarithmic scale."""
    rng = np.random.default_rng(derive("tune", *names))
    if len(search) != 2 or any(isinstance(end, bool | str) or end is None for end in search):
        return search[int(rng.integers(len(search)))]
    low, high = search
    found = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
    return min(max(short(found), low), high)


def short(value: float) -> float:
    """A number to four significant digits."""
    return float(f"{value:.4g}")
