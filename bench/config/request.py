"""What a run asks for, validated: every name is looked up and every value typed before anything is read or trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import methods
from bench.config.auxiliary_term import with_auxiliary
from bench.config.method_choice import MethodChoice, choose
from bench.config.protocols import Protocol, protocols
from bench.config.run_arguments import GridArguments
from bench.config.settings import PRESETS, Settings
from bench.config.task_choice import TaskChoice, choose_tasks
from bench.config.typed import build
from bench.errors import UserError, unknown
from bench.wandb_artifacts import located
from methods.base import DIVERSITY, DIVERSITY_OOF, QUALITY, QUALITY_OOF
from methods.plugins import PluginError, load_file
from tasks import COURSE, FILES, SOURCES, Role, TaskData, is_course, load

MOST_SEEDS = 10_000  # a larger number of seeds is a typing error
ALL_METHODS = GridArguments()  # the grid of `bench run` without options


@dataclass(frozen=True)
class Request:
    """A grid: its axes and the training that all its cells share."""

    methods: tuple[MethodChoice, ...]
    tasks: tuple[TaskChoice, ...]
    seeds: tuple[int, ...]
    encoders: tuple[str, ...]
    preset: str
    protocols: tuple[Protocol, ...]
    settings: Settings
    source: str
    data_dir: Path | None
    test_size: int | Literal["default"] | None = "default"
    places: Mapping[Role, str] = field(default_factory=dict)  # what replaces a role of the grid's one task
    checker_encoder: str | None = None  # None: each classifier's own
    checkers: Mapping[str, str] = field(default_factory=dict)  # artefact -> the model that stands in for it
    left_out: Mapping[str, str] = field(default_factory=dict)  # methods of a group that cannot run, and why
    limit: int | None = None  # at most so many rows in each role: a smoke run, of which no report is made

    def load(self, task: TaskChoice) -> TaskData:
        """The rows of one of its tasks, before any stress. Raises DataError."""
        return load(
            task.location,
            source=self.source,
            data_dir=self.data_dir,
            options=task.filters,
            test_size=self.test_size,
            places=self.places,
        )


def make_request(arguments: GridArguments = ALL_METHODS, /, **changes: Any) -> Request:
    """Validate the grid that the arguments describe; `changes` replace fields of theirs.

    Raises UserError or tasks.DataError, one line that names what is wrong and the nearest name that is known.
    """
    grid = replace(arguments, **changes)
    refuse_empty(grid)
    if grid.data_dir is not None and not Path(grid.data_dir).is_dir():
        raise UserError(f"--data-dir {grid.data_dir}: no such folder")
    load_plugins(grid.plugins)
    if grid.limit is not None and grid.limit < 1:
        raise UserError(f"limit must be at least 1, not {grid.limit}")
    if grid.preset not in PRESETS:
        raise unknown("preset", grid.preset, PRESETS)
    preset = PRESETS[grid.preset]
    data_dir = grid.data_dir or os.environ.get("BENCH_DATA")
    folder = Path(data_dir) if data_dir else None
    source = source_of(grid.source, folder)
    replaced: dict[Role, str | Path | None] = {"generated": grid.generated, "real": grid.real, "test": grid.test}
    places = {role: str(located(str(place))) for role, place in replaced.items() if place}
    models = {QUALITY: grid.quality_checker, DIVERSITY: grid.diversity_checker}
    training, hyperparameters = divide(grid.settings or {})
    chosen, left_out = choose(grid.methods, hyperparameters)
    refuse_leaking_checkers(chosen, models)
    return Request(
        methods=chosen,
        tasks=choose_tasks(default_task(places) if grid.tasks is None else grid.tasks, places),
        seeds=seed_list(grid.seeds) if grid.seed is None else exact_seeds(grid.seed),
        encoders=names(grid.encoder or preset.encoder),
        checker_encoder=grid.checker_encoder,
        preset=grid.preset,
        protocols=protocols(grid.protocol or preset.protocol),
        settings=with_auxiliary(build(Settings, training, f"preset {grid.preset}", base=preset.settings)),
        source=source,
        data_dir=folder,
        test_size=row_limit(grid.test_size),
        places=places,
        checkers={name: str(model) for name, model in models.items() if model},
        left_out=left_out,
        limit=grid.limit,
    )


def refuse_empty(grid: GridArguments) -> None:
    """Raise UserError for an option whose value is empty."""
    for name in (
        "generated",
        "real",
        "test",
        "data_dir",
        "encoder",
        "protocol",
        "quality_checker",
        "diversity_checker",
    ):
        value = getattr(grid, name)
        if value is not None and not str(value).strip():
            raise UserError(f"--{name.replace('_', '-')} is empty; leave it out, or give it a value")


def refuse_leaking_checkers(chosen: Sequence[MethodChoice], models: Mapping[str, str | None]) -> None:
    """Raise UserError where a method needs out-of-fold scores of a checker that was trained elsewhere."""
    for name, held_out in ((QUALITY, QUALITY_OOF), (DIVERSITY, DIVERSITY_OOF)):
        for choice in chosen if models[name] else ():
            if held_out in choice.cls.requires_of(choice.config):
                raise UserError(
                    f"{choice.label} needs scores of {name} checkers that are trained without the rows they score, "
                    f"which the model of --{name}-checker is not known to be; leave out one of the two"
                )


def load_plugins(files: Sequence[str | Path]) -> None:
    """Make the methods of installed packages and of the user's files known. Raises UserError."""
    try:
        methods.discover()
        for file in files:
            load_file(Path(file))
    except PluginError as error:
        raise UserError(str(error)) from error


def source_of(asked: str | None, data_dir: Path | None) -> str:
    """The source asked for; that of the course where a data folder has its files and no other source is asked for."""
    if asked in (None, "local") and is_course(data_dir):
        return COURSE
    if asked is not None and asked not in SOURCES:
        raise unknown("source", asked, SOURCES)
    return asked or "bundled"


def names(text: str | Sequence[str]) -> tuple[str, ...]:
    """The names in a list, or in a text with commas, each once."""
    parts = text.split(",") if isinstance(text, str) else text
    found = tuple(dict.fromkeys(part.strip() for part in parts))
    if not all(found):
        raise UserError(f"an empty name in the list {text!r}")
    return found


def seed_list(seeds: int | str | Sequence[int]) -> tuple[int, ...]:
    """The seeds 0 to N-1 for a number N, or the seeds of a list (also as text, "3,7"), each once."""
    if type(seeds) is int and seeds > MOST_SEEDS:
        raise UserError(f"at most {MOST_SEEDS:,} seeds, not {seeds:,}")
    entries: Sequence[Any] = list(range(seeds)) if type(seeds) is int else seeds  # type: ignore[assignment]
    if isinstance(seeds, str):
        entries = seeds.split(",")
    try:
        unique = tuple(dict.fromkeys(int(seed) for seed in entries if float(seed) == int(seed)))
    except (TypeError, ValueError):
        unique = ()
    if not unique or len(unique) < len(set(entries)) or min(unique) < 0:
        raise UserError(f"seeds must be a number of seeds or a list such as 3,7, not {seeds!r}")
    return unique


def exact_seeds(seeds: int | str | Sequence[int]) -> tuple[int, ...]:
    """One seed, or those of a list."""
    return seed_list([seeds] if type(seeds) is int else seeds)


def row_limit(test_size: int | str | None) -> int | Literal["default"] | None:
    """The most test rows: a number, None (or "all") for no limit, or "default", the task's."""
    if test_size in ("default", "all", None):
        return "default" if test_size == "default" else None
    if not str(test_size).isdecimal() or int(test_size) < 1:
        raise UserError(f"test_size (--test-size) must be a number, all or default, not {test_size!r}")
    return int(test_size)


def divide(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Split `--set` keys: training settings, and hyper-parameters by method."""
    training: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        method, dot, name = key.rpartition(".")
        if dot:
            own.setdefault(method.replace("_", "-"), {})[name.replace("-", "_")] = value
        else:
            training[key.replace("-", "_")] = value
    return training, own


def default_task(places: Mapping[Role, str]) -> str:
    """The task of a grid that names none."""
    return FILES if {"generated", "real"} <= set(places) else "twitter"
