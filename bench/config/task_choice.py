"""The tasks of a grid: expressions become tasks whose options are sorted into filters and stress."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from bench.config.expressions import Expression, parse
from bench.config.typed import convert
from bench.errors import UserError, unknown
from tasks import AXES, FILES, Role, TaskSpec, load_spec, task_names
from tasks.errors import short_repr
from tasks.sources.files import READERS
from tasks.sources.hub import hub_place
from tasks.stress import without_defaults

LONGEST_NAME = 60  # characters
OWN_NAME = re.compile(rf"\w[\w.-]{{0,{LONGEST_NAME - 1}}}")
NOT_IN_NAMES = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class TaskChoice:
    """A task with its options: `filters` select real data, `stress` are the values of axes that change rows."""

    spec: TaskSpec
    name: str  # of the task, or of the user's folder or file
    label: str  # the name with the options
    filters: Mapping[str, Any]
    stress: Mapping[str, Any]
    location: str | Path

    @property
    def read(self) -> str:
        """What of a task decides which rows are read: all but the stress."""
        return repr((str(self.location), self.spec.title, sorted(self.filters.items())))

    @property
    def expression(self) -> str:
        """What --tasks takes for this task: its location, which for files is not its name, with the options."""
        return task_label(str(self.location), {**self.filters, **self.stress})


def choose_tasks(
    names: str | Sequence[str], places: Mapping[Role, Any], own_name: str | None
) -> tuple[TaskChoice, ...]:
    """The tasks in order, each once. `own_name` is what the user calls the task of their files.

    Raises UserError for two files that describe tasks of the same name, for several tasks if `places` replace the
    rows of a role, and for `own_name` beside a task that has a name.
    """
    chosen: dict[str, TaskChoice] = {}
    for task in (choose_task(expression, places, own_name) for expression in parse(names, "[]")):
        known = chosen.setdefault(task.label, task)
        if str(known.location) != str(task.location):
            raise UserError(f"{known.location} and {task.location} both describe a task {task.name!r}; rename one")
    if places and len({task.name for task in chosen.values()}) > 1:
        raise UserError(
            f"--{next(iter(places))} replaces rows of one task, but this grid has {', '.join(chosen)}; name one task "
            "in --tasks"
        )
    return tuple(chosen.values())


def choose_task(expression: Expression, places: Mapping[Role, Any], own_name: str | None) -> TaskChoice:
    """A task with its options sorted into filters and stress. Raises UserError for a value out of range."""
    spec = named(load_spec(expression.name), expression.name, places, own_name)
    filters, stress = {}, {}
    for key, value in expression.options.items():
        where = f"{expression.name}[{key}]"
        if key in AXES:
            stress[key] = convert(value, AXES[key].kind, where)
            low, high = AXES[key].low, AXES[key].high
            if not isinstance(stress[key], str) and not low <= stress[key] <= high:
                limit = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
                raise UserError(f"{where} must be {limit}, not {value}")
        elif key in spec.choices:
            if value not in spec.choices[key].values:
                raise unknown(f"value of {where}", str(value), spec.choices[key].values)
            filters[key] = value
        elif key in spec.options:
            number = convert(value, float, where)
            if not isfinite(number):
                raise UserError(f"{where} must be finite, not {value}")
            if key in spec.filters or number != spec.knobs[key].default:
                filters[key] = int(number) if number == int(number) else number
        else:
            raise unknown(f"option of task {expression.name}", key, [*AXES, *spec.options])
    stress = without_defaults(stress)
    name = spec.title if spec.name == FILES else spec.name
    return TaskChoice(spec, name, task_label(name, {**filters, **stress}), filters, stress, expression.name)


def named(spec: TaskSpec, location: str, places: Mapping[Role, Any], own_name: str | None) -> TaskSpec:
    """The task with the title that the user or the place of its rows gives it, if it is of the user's files.

    Raises UserError for a name that cannot be one, or for a task that has one already.
    """
    if own_name is None:
        if spec.name != FILES:
            return spec
        return spec.model_copy(update={"title": default_name(places) if location == FILES else fit_name(spec.title)})
    if spec.name != FILES:
        raise UserError(f"--name is for your own files; task {spec.name} has a name")
    if not OWN_NAME.fullmatch(own_name):
        raise UserError(
            f"--name {short_repr(own_name)}: a name has letters, digits, '_', '.' and '-', at most {LONGEST_NAME}, and "
            "begins with a letter or digit"
        )
    if own_name in task_names():
        raise UserError(f"--name {own_name}: a task that comes with the package has this name; choose another")
    return spec.model_copy(update={"title": own_name})


def default_name(places: Mapping[Role, Any]) -> str:
    """The name of a task of files given by role: that of the generated file, folder or hub id, fit for --name.

    Rows in memory have no name, so their task is called `rows`.
    """
    place = places.get("generated")
    if not isinstance(place, str):
        return "rows" if place is not None else FILES
    path = Path(hub_id(place))
    return fit_name(path.stem if path.suffix.lower() in READERS else path.name)


def fit_name(stem: str) -> str:
    """A file's or folder's name without what --name refuses; `files` if nothing is left."""
    name = NOT_IN_NAMES.sub("_", stem).strip("_.-")[:LONGEST_NAME]
    return f"{name}_rows" if name in task_names() else name or FILES


def hub_id(place: str) -> str:
    """A place without what follows the id of a hub data set: `org/name:config@revision` becomes `org/name`."""
    found = hub_place(place)
    return found.id if found and not Path(place).exists() else place


def task_label(name: str, options: Mapping[str, Any]) -> str:
    """The expression of a task with options, in canonical order."""
    written = ",".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{name}[{written}]" if written else name
