"""What a run asks for, validated: every name is looked up and every value typed before anything is read or trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import methods
from bench.config.auxiliary_term import with_auxiliary
from bench.config.method_choice import MethodChoice, choose
from bench.config.protocols import Protocol, protocols
from bench.config.settings import PRESETS, Settings
from bench.config.task_choice import TaskChoice, choose_tasks
from bench.config.typed import build
from bench.errors import UserError, unknown
from bench.wandb_artifacts import located
from methods.base import DIVERSITY, DIVERSITY_OOF, QUALITY, QUALITY_OOF
from methods.plugins import PluginError, load_file
from tasks import COURSE, FILES, SOURCES, Role, TaskData, is_course, load

MOST_SEEDS = 10_000  # of a number of seeds: more is a slip of the keyboard


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


def make_request(
    *,
    methods: str | Sequence[str] = "all",
    tasks: str | Sequence[str] | None = None,
    seeds: int | str | Sequence[int] = 5,
    source: str | None = None,
    data_dir: str | Path | None = None,
    generated: str | Path | None = None,
    real: str | Path | None = None,
    test: str | Path | None = None,
    encoder: str | Sequence[str] | None = None,
    checker_encoder: str | None = None,
    quality_checker: str | None = None,
    diversity_checker: str | None = None,
    preset: str = "quick",
    protocol: str | Sequence[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    test_size: int | str | None = "default",
    limit: int | None = None,
    plugins: Sequence[str | Path] = (),
) -> Request:
    """Validate a grid. Raises UserError (or tasks.DataError), one line that names what is wrong and the nearest known.

    `tasks` are names or paths of YAMLs, folders and files (None: `twitter`, or `files` where `generated` and `real` are
    given); `source` None is `bundled`, or `course` where `data_dir` is such a folder;
    `generated`, `real` and `test` (a file, a folder or a hub id) replace a role of the one task of the grid;
    `seeds` is a number of seeds or the seeds themselves; `settings` maps training settings (`lr`) and methods'
    hyper-parameters (`dimp.clip`) to values. `encoder` and `protocol` may be several, which gives a section each; None
    is the preset's. Checkers use the classifier's encoder unless `checker_encoder` names another; `quality_checker` and
    `diversity_checker` name models that were trained elsewhere (a folder, a hub id, wandb:entity/project/name:version).
    `plugins` are files with methods of one's own; `limit` is the most rows in each role, for a smoke run.
    """
    texts = {"generated": generated, "real": real, "test": test, "data-dir": data_dir, "encoder": encoder}
    texts |= {"protocol": protocol, "quality-checker": quality_checker, "diversity-checker": diversity_checker}
    for name, given in texts.items():
        if given is not None and not str(given).strip():
            raise UserError(f"--{name} is empty; leave it out, or give it a value")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(f"--data-dir {data_dir}: no such folder")
    load_plugins(plugins)
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    folder = Path(given) if (given := data_dir or os.environ.get("BENCH_DATA")) else None
    source = source_of(source, folder)
    replaced: dict[Role, str | Path | None] = {"generated": generated, "real": real, "test": test}
    places = {role: str(located(str(place))) for role, place in replaced.items() if place}
    models = {QUALITY: quality_checker, DIVERSITY: diversity_checker}
    training, own = divide(settings or {})
    chosen, left_out = choose(methods, own)
    given_and_held_out(chosen, models)
    return Request(
        methods=chosen,
        tasks=choose_tasks(default_task(places) if tasks is None else tasks, places),
        seeds=seed_list(seeds),
        encoders=names(encoder or PRESETS[preset].encoder),
        checker_encoder=checker_encoder,
        preset=preset,
        protocols=protocols(protocol or PRESETS[preset].protocol),
        settings=with_auxiliary(build(Settings, training, f"preset {preset}", base=PRESETS[preset].settings)),
        source=source,
        data_dir=folder,
        test_size=row_limit(test_size),
        places=places,
        checkers={name: str(model) for name, model in models.items() if model},
        left_out=left_out,
        limit=limit,
    )


def given_and_held_out(chosen: Sequence[MethodChoice], models: Mapping[str, str | None]) -> None:
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
    """The seeds 0 to N-1 of a number N, or the seeds given (also as text, "3,7"), each once."""
    if type(seeds) is int and seeds > MOST_SEEDS:
        raise UserError(f"at most {MOST_SEEDS:,} seeds, not {seeds:,}")
    given: Sequence[Any] = seeds.split(",") if isinstance(seeds, str) else range(seeds) if type(seeds) is int else seeds  # type: ignore[assignment]
    try:
        found = tuple(dict.fromkeys(int(seed) for seed in given if float(seed) == int(seed)))
    except (TypeError, ValueError):
        found = ()
    if not found or len(found) < len(set(given)) or min(found) < 0:
        raise UserError(f"seeds must be a number of seeds or a list such as 3,7, not {seeds!r}")
    return found


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
