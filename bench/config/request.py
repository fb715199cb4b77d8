"""The request of a run: its arguments with every name resolved and every value checked, before any data are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, get_args

import methods
from bench.config.grid_arguments import GridArguments
from bench.config.method_choice import MethodChoice, choose, with_auxiliary
from bench.config.protocols import Protocol, protocols
from bench.config.settings import PRESETS, Settings, divide
from bench.config.task_choice import TaskChoice, choose_tasks
from bench.config.typed import build
from bench.errors import UserError, unknown
from bench.wandb_artifacts import located
from methods.base import DIVERSITY, DIVERSITY_OOF, QUALITY, QUALITY_OOF
from methods.plugins import PluginError, load_file
from tasks import COURSE, FILES, SOURCES, Role, TaskData, is_course, load
from tasks.cross_validation import MOST_FOLDS
from tasks.errors import short_repr, user_path
from tasks.reading import Reading, Readings, option_name, parsed_labels, parsed_names
from tasks.roles import ROLES, ColumnRole
from tasks.sources.table import Table

MOST_DIGITS = 18  # of a number of rows
MOST_SEEDS = 10_000  # a larger number of seeds is a typing error
USUAL_SEEDS = 5
ALL_METHODS = GridArguments()  # the grid of `bench run` without options


@dataclass(frozen=True)
class Request:
    """A grid: its methods, tasks and seeds, and the data and training that all cells share."""

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
    # role -> the file, folder or hub id that replaces its rows, or these rows themselves
    places: Mapping[Role, str | Table] = field(default_factory=dict)
    readings: Readings = field(default_factory=dict)  # how the user's own rows are read
    folds: int | None = None  # of a cross-validation of own real rows; None: decided by their number
    checker_encoder: str | None = None  # None: the encoder of the classifier
    checkers: Mapping[str, str] = field(default_factory=dict)  # checker -> the trained model that replaces it
    left_out: Mapping[str, str] = field(default_factory=dict)  # methods that groups leave out, and on which task -> why
    seeds_given: bool = False  # with --seeds or --seed, where others have the usual number
    looks: tuple[int, ...] = ()  # numbers of seeds at which verdicts are read, where that is planned
    limit: int | None = None  # a smoke run: at most so many rows in each role, and no report
    loaded: dict[str, TaskData] = field(default_factory=dict, compare=False, repr=False)  # rows that were read, by task

    @property
    def several(self) -> str:
        """What the request has several of (`method`, `task`, `encoder` or `protocol`); empty if it has one of each."""
        parts = {"method": self.methods, "task": self.tasks, "encoder": self.encoders, "protocol": self.protocols}
        return next((name for name, choices in parts.items() if len(choices) != 1), "")

    def unread_checkers(self) -> tuple[str, ...]:
        """The checkers that are given and that none of the methods reads."""
        read = {table for choice in self.methods for table in choice.cls.requires_of(choice.config)}
        return tuple(name for name in self.checkers if name not in read)

    def load(self, task: TaskChoice) -> TaskData:
        """The rows of one of the tasks, before stress, as they were at the first call. Raises DataError.

        So the sizes of a curve and the rounds of a run have one version of a file that is edited meanwhile.
        """
        if task.read not in self.loaded:
            self.loaded[task.read] = self.rows_now(task)
        return self.loaded[task.read]

    def rows_now(self, task: TaskChoice) -> TaskData:
        """The rows of one of the tasks as they are now. Raises DataError."""
        return load(
            task.location,
            source=self.source,
            data_dir=self.data_dir,
            options=task.filters,
            test_size=self.test_size,
            places=self.places,
            readings=self.readings,
            folds=self.folds,
            title=task.spec.title,
        )


def make_request(arguments: GridArguments = ALL_METHODS, /, **changes: Any) -> Request:
    """Validate the grid that the arguments describe; `changes` replace fields of theirs.

    Raises UserError or tasks.DataError, one line that names what is wrong and the nearest name that is known.
    """
    grid = replace(arguments, **changes)
    refuse_empty(grid)
    refuse_other_kinds(grid)
    if grid.data_dir is not None and not user_path(grid.data_dir).is_dir():
        raise UserError(f"--data-dir {grid.data_dir}: no such folder")
    load_plugins(grid.plugins)
    if grid.limit is not None and grid.limit < 1:
        raise UserError(f"--limit must be at least 1, not {grid.limit}")
    if grid.preset not in PRESETS:
        raise unknown("preset", grid.preset, PRESETS)
    preset = PRESETS[grid.preset]
    data_dir = grid.data_dir or os.environ.get("BENCH_DATA")
    folder = user_path(data_dir) if data_dir else None
    source = source_of(grid.source, folder)
    if grid.data_dir is not None and source == "bundled":
        raise UserError(
            f"--data-dir {grid.data_dir} would not be read: it holds no files of the course, and source bundled reads "
            "the rows of the package; give --source local or --source hub too"
        )
    places = {role: rows for role in ROLES if (rows := place_of(getattr(grid, role), role)) is not None}
    models = {QUALITY: grid.quality_checker, DIVERSITY: grid.diversity_checker}
    training, hyperparameters = divide(grid.settings or {})
    chosen, left_out = choose(grid.methods, hyperparameters)
    refuse_leaking_checkers(chosen, models)
    tasks = choose_tasks(default_task(places) if grid.tasks is None else grid.tasks, places, grid.name)
    if not places and not any(FILES in task.spec.sources for task in tasks):
        refuse_options_of_files(grid)
    return Request(
        methods=chosen,
        tasks=tasks,
        seeds=seeds_of(grid),
        seeds_given=grid.seeds is not None or grid.seed is not None,
        encoders=names(grid.encoder or preset.encoder),
        checker_encoder=grid.checker_encoder,
        preset=grid.preset,
        protocols=protocols(grid.protocol or preset.protocol),
        settings=with_auxiliary(build(Settings, training, f"preset {grid.preset}", base=preset.settings)),
        source=source,
        data_dir=folder,
        test_size=row_limit(grid.test_size),
        places=places,
        readings=readings(grid),
        folds=folds_of(grid),
        checkers={name: str(model) for name, model in models.items() if model},
        left_out=left_out,
        limit=grid.limit,
    )


def folds_of(grid: GridArguments) -> int | None:
    """The number of folds of --folds. Raises UserError for 1, too many, or a test set beside them."""
    if grid.folds is None:
        return None
    if grid.folds == 1 or not 0 <= grid.folds <= MOST_FOLDS:
        raise UserError(f"--folds takes 0 to hold out half, or 2 to {MOST_FOLDS}, not {grid.folds}")
    if grid.folds and grid.test is not None:
        raise UserError("--folds is for real rows without a test set; leave out one of --folds and --test")
    if grid.folds and isinstance(row_limit(grid.test_size), int):
        raise UserError("each fold is a test, whatever --test-size says; leave out one of --folds and --test-size")
    return grid.folds


def place_of(rows: Any, role: Role) -> str | Table | None:
    """The place of a role's rows, or the rows themselves as a table if they are no path. Raises DataError."""
    if rows is None or isinstance(rows, str | Path):
        return None if rows is None else str(located(str(rows)))
    from tasks.sources.memory import table_of

    return table_of(rows, role)


def readings(grid: GridArguments) -> Readings:
    """How the user's own rows are read: for all roles (None) and for each. Raises DataError."""
    general = replace(own(grid, None), drop_labels=parsed_names(grid.drop_labels), skip_empty=grid.skip_empty)
    return {
        None: replace(general, drop_copies=grid.drop_copies),
        **{role: own(grid, role) for role in ROLES},
    }


def own(grid: GridArguments, role: Role | None) -> Reading:
    """The columns and the mapping of labels that the arguments name for a role; None: for all roles."""
    values = {what: getattr(grid, f"{role}_{what}" if role else what) for what in (*get_args(ColumnRole), "labels")}
    labels = parsed_labels(values.pop("labels"), option_name("labels", role))
    return Reading({what: str(column) for what, column in values.items() if column is not None}, labels)


def refuse_empty(grid: GridArguments) -> None:
    """Raise UserError for an option whose value is empty."""
    for name in (
        "methods",
        "tasks",
        "name",
        "generated",
        "real",
        "test",
        "labels",
        "drop_labels",
        "data_dir",
        "encoder",
        "protocol",
        "quality_checker",
        "diversity_checker",
    ):
        value = getattr(grid, name)
        if isinstance(value, str) and not value.strip():
            raise UserError(f"--{name.replace('_', '-')} is empty; leave it out, or give it a value")


def refuse_other_kinds(grid: GridArguments) -> None:
    """Raise UserError for names that are no text and no list, and for settings that are no mapping."""
    for name in ("methods", "tasks", "encoder", "protocol"):
        value = getattr(grid, name)
        if value is not None and (isinstance(value, Mapping) or not isinstance(value, Iterable)):
            example = ', such as "dimp(clip=20)"' if name == "methods" else ""
            raise UserError(f"{name} takes text or a list of texts{example}; not {short_repr(value)}")
    if not isinstance(grid.settings, Mapping | None):
        raise UserError(f'settings takes a mapping, such as {{"lr": 1e-4}}; not {short_repr(grid.settings)}')


def refuse_options_of_files(grid: GridArguments) -> None:
    """Raise UserError for an option on how the user's own rows are read, in a grid without any."""
    per_role = [f"{role}_{what}" for role in ROLES for what in (*get_args(ColumnRole), "labels")]
    for name in (*get_args(ColumnRole), "labels", *per_role, "drop_labels", "skip_empty"):
        if getattr(grid, name):
            raise UserError(
                f"{option_name(name)} is for your own rows, and this grid has none; give --generated FILE, --real FILE "
                "or --test FILE"
            )


def refuse_leaking_checkers(chosen: Sequence[MethodChoice], models: Mapping[str, str | None]) -> None:
    """Raise UserError if a method needs out-of-fold scores of a checker that was trained elsewhere."""
    for name, held_out in ((QUALITY, QUALITY_OOF), (DIVERSITY, DIVERSITY_OOF)):
        for choice in chosen if models[name] else ():
            if held_out in choice.cls.requires_of(choice.config):
                raise UserError(
                    f"{choice.label} needs {name} checkers that are trained without the rows that they score, and the "
                    f"model of --{name}-checker may have been trained on them; leave out one of the two"
                )


def load_plugins(files: Sequence[str | Path]) -> None:
    """Register the methods of installed packages and of the user's files. Raises UserError."""
    try:
        methods.discover()
        for file in files:
            load_file(user_path(file), anew=True)
    except PluginError as error:
        raise UserError(str(error)) from error


def source_of(name: str | None, data_dir: Path | None) -> str:
    """The source of a name. A data folder with the course's files means source course for None and `local`."""
    if name in (None, "local") and is_course(data_dir):
        return COURSE
    if name is not None and name not in SOURCES:
        raise unknown("source", name, SOURCES)
    return name or "bundled"


def names(text: str | Sequence[str]) -> tuple[str, ...]:
    """The names in a list, or in a text with commas, each once."""
    parts = text.split(",") if isinstance(text, str) else text
    unique = tuple(dict.fromkeys(part.strip() for part in parts))
    if not all(unique):
        raise UserError(f"an empty name in the list {short_repr(text)}")
    return unique


def seeds_of(grid: GridArguments) -> tuple[int, ...]:
    """The seeds of --seed, else of --seeds, else the usual ones."""
    if grid.seed is not None:
        return exact_seeds(grid.seed)
    return seed_list(USUAL_SEEDS if grid.seeds is None else grid.seeds)


def seed_list(seeds: int | str | Iterable[int]) -> tuple[int, ...]:
    """The seeds 0 to N-1 for a number N, or the seeds of a list (also as text, "3,7"), each once."""
    given: Any = seeds
    if is_number(seeds) and given > MOST_SEEDS:
        raise UserError(f"at most {MOST_SEEDS:,} seeds, not {seeds:,}")
    entries: Sequence[Any] = []
    try:
        entries = range(given) if is_number(seeds) else list(given.split(",") if isinstance(seeds, str) else given)
        whole = [int(seed) for seed in entries if float(seed) == int(seed)]
    except (TypeError, ValueError, OverflowError):
        whole = []
    unique = tuple(dict.fromkeys(whole))
    if not unique or len(whole) < len(entries) or min(unique) < 0:
        raise UserError(f"--seeds takes a number of 1 or more, --seed a list such as 3,7; not {short_repr(seeds)}")
    return unique


def exact_seeds(seeds: int | str | Iterable[int]) -> tuple[int, ...]:
    """One seed, or those of a list."""
    one: Any = seeds
    return seed_list([one] if is_number(seeds) else seeds)


def is_number(value: object) -> bool:
    """Whether a value is a whole number, also one of numpy."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def row_limit(test_size: int | str | None) -> int | Literal["default"] | None:
    """The most test rows: a number, None for "all", or "default" for the task's own limit."""
    if test_size in ("default", "all", None):
        return "default" if test_size == "default" else None
    if not str(test_size).isdecimal() or len(str(test_size)) > MOST_DIGITS or int(test_size) < 1:
        raise UserError(f"test_size (--test-size) must be a number, all or default, not {short_repr(test_size)}")
    return int(test_size)


def default_task(places: Mapping[Role, Any]) -> str:
    """The task of a grid without --tasks."""
    return FILES if {"generated", "real"} <= set(places) else "twitter"
