"""Plans equal tuning for every method, protocol `tuned(k)`: k trials each, and held-out real rows choose the best.

The first trial has the method's defaults. The others draw each searched hyper-parameter, the learning rate and the
number of updates; the last two are the same for all methods in a trial of the same number. A trial is a cell that is
trained on generated rows and the fitting part of the small real set, and tested on the selecting part: it never reads
test rows. The best trial, by accuracy, then log-loss, then order, is trained once more and then tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import numpy as np

from bench.config.method_choice import MethodChoice
from bench.config.protocols import Fixed, Tuned
from bench.config.settings import Settings
from bench.errors import UserError
from bench.jobs import CellJob, RoleRows, TunedJob
from bench.planning.describe import spec_json
from bench.seeds import derive
from methods.base import MethodConfig, RealUse

if TYPE_CHECKING:
    from bench.planning.section import SectionPlanner

# Ranges of the training's own settings, as factors of the preset's values.
LEARNING_RATE, UPDATES = (1 / 3, 3.0), (0.5, 2.0)
ATTEMPTS = 20  # draws for a trial, since some settings exclude each other


def add_trials(
    planner: SectionPlanner, protocol: Tuned, choice: MethodChoice, seed: int, roles: Mapping[str, RoleRows]
) -> TunedJob:
    """Add a method's trials to a plan, and the job that trains the best of them."""
    # A trial is tested on the selecting rows alone.
    trial_roles = {**roles, "test": roles["select"]}
    trials = []
    for number in range(protocol.trials):
        config, settings = trial_settings(choice.config, planner.settings, choice.cls.name, number)
        trial = replace(choice, config=config, label=f"{choice.label} trial {number + 1}/{protocol.trials}")
        trials.append(planner.cell(trial, Fixed(), seed, trial_roles, requested=False, settings=settings))
    spec = planner.spec(choice, protocol, seed, roles, {f"trial-{i}": job.spec.id for i, job in enumerate(trials)})
    # A trial may read real rows where the defaults do not, such as `sungen` with outer=real.
    drawn = {name: value for trial in trials for name, value in trial.spec.data.items() if name not in spec.data}
    spec = replace(spec, data={**spec.data, **drawn})
    read = [role for name, role in roles.items() if name in spec.data]
    own = {planner.job_of_folder[path] for role in read for path in (role.tokens, role.states) if path is not None}
    needs = own | {job.id for job in trials} | {need for job in trials for need in job.needs}
    common = {entry.name: getattr(trials[0], entry.name) for entry in fields(CellJob)}
    changed = {
        "id": f"cell/{spec.id}",
        "folder": planner.folder(spec, requested=True),
        "needs": tuple(sorted(needs)),
        "spec": spec,
        "spec_json": {**spec_json(planner, choice, spec, roles), "real_use": most_real(trials)},
        # The tables of all trials: the method's cost with its tuning counts them.
        "tables": {name: path for trial in trials for name, path in trial.tables.items()},
        "real_tables": {name: path for trial in trials for name, path in trial.real_tables.items()},
        "trials": tuple(trials),
    }
    return planner.plan.add(TunedJob(**{**common, **changed, **roles}))


def most_real(trials: Iterable[CellJob]) -> str:
    """The strongest use of real rows among trials, of which any may be chosen."""
    return max((str(trial.spec_json["real_use"]) for trial in trials), key=[str(use) for use in RealUse].index)


def trial_settings(config: MethodConfig, settings: Settings, method: str, number: int) -> tuple[MethodConfig, Settings]:
    """The settings of trial `number`. Trial 0 has `config` and `settings` unchanged."""
    if number == 0:
        return config, settings
    assert settings.updates is not None, "settings are resolved before a cell is planned"
    lr = settings.lr * draw(LEARNING_RATE, True, "training", "lr", number)
    updates = max(1, round(settings.updates * draw(UPDATES, True, "training", "updates", number)))
    # Four significant digits: reports show them all, so that a trial can be typed again.
    return hyper(config, method, number), replace(settings, lr=short(lr), updates=updates)


def hyper(config: MethodConfig, method: str, number: int) -> MethodConfig:
    """Draw a method's searched hyper-parameters. Those that differ from their default stay: the user set them.

    Each has its own random numbers, so a new hyper-parameter leaves the others as they were. Raises UserError.
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
            return replace(config, **{name: round(v) if whole(hints[name]) else v for name, v in values.items()})
        except ValueError:
            continue  # these settings exclude each other
    raise UserError(
        f"protocol tuned: {ATTEMPTS} draws from the ranges of {method} gave no valid setting; fix one of them"
    )


def whole(hint: Any) -> bool:
    """Whether a setting of this type, such as `int` or `int | None`, takes numbers without a fraction only."""
    return int in (hint, *get_args(hint)) and float not in get_args(hint)


def draw(search: tuple[Any, ...], log: bool, *names: str | int) -> Any:
    """Draw from `search`: one of several choices, or a number from a range, uniform or on a logarithmic scale."""
    rng = np.random.default_rng(derive("tune", *names))
    if len(search) != 2 or any(isinstance(end, bool | str) or end is None for end in search):
        return search[int(rng.integers(len(search)))]
    low, high = search
    value = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
    return min(max(short(value), low), high)


def short(value: float) -> float:
    """A number to four significant digits."""
    return float(f"{value:.4g}")
