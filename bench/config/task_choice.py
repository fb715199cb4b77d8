"""The tasks of a grid: expressions become tasks whose options are sorted into filters and stress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

from bench.config.expressions import Expression, parse
from bench.config.typed import convert
from bench.errors import UserError, unknown
from tasks import AXES, FILES, Role, TaskSpec, load_spec
from tasks.stress import without_defaults


@dataclass(frozen=True)
class TaskChoice:
    """A task with its options: `filters` select real data, `stress` are the values of axes that change rows."""

    spec: TaskSpec
    name: str  # of the task, or of the user's folder or file
    label: str  # the name with the options
    filters: Mapping[str, Any]
    stress: Mapping[str, Any]
    location: str | Path


def choose_tasks(names: str | Sequence[str], places: Mapping[Role, Any]) -> tuple[TaskChoice, ...]:
    """The tasks in order, each once.

    Raises UserError for two files that describe tasks of the same name, and for several tasks if `places` replace the
    rows of a role.
    """
    chosen: dict[str, TaskChoice] = {}
    for task in (choose_task(expression) for expression in parse(names, "[]")):
        known = chosen.setdefault(task.label, task)
        if str(known.location) != str(task.location):
            raise UserError(f"{known.location} and {task.location} both describe a task {task.name!r}; rename one")
    if places and len({task.name for task in chosen.values()}) > 1:
        raise UserError(f"--{next(iter(places))} replaces rows of one task, but this grid has {', '.join(chosen)}")
    return tuple(chosen.values())


def choose_task(expression: Expression) -> TaskChoice:
    """A task with its options sorted into filters and stress. Raises UserError for a value out of range."""
    spec = load_spec(expression.name)
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


def task_label(name: str, options: Mapping[str, Any]) -> str:
    """The expression of a task with options, in canonical order."""
    written = ",".join(f"{key}={value}" for key, value in sorted(options.items()))
    return f"{name}[{written}]" if written else name
