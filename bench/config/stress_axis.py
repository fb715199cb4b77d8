"""The tasks of `bench stress`: one task expression per value of a stress axis, which `bench run` takes."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from bench.config.expressions import parse
from bench.errors import UserError, unknown
from tasks import AXES
from tasks.errors import plural, short_repr

MAX_POINTS = 50  # of an axis; more is a typing error in the step


def along(task: str, axis: str) -> str:
    """Task expressions along an axis: `twitter` and `noise=0,0.2` give `twitter[noise=0],twitter[noise=0.2]`.

    Raises UserError for an unknown axis, a malformed range, or a task that already has a value for the axis.
    """
    name, equals, values = (part.strip() for part in axis.partition("="))
    known = [key for key, entry in AXES.items() if entry.option_of is None]
    if name not in known:
        raise unknown("axis", name, known)
    if not equals:
        raise UserError(f"--axis {short_repr(axis)} has no values; write {name}=START:STOP:STEP or {name}=A,B,C")
    (expression, *others) = parse(task, "[]")
    if others:
        raise UserError(f"--task takes one task, not {short_repr(task)}")
    if name in expression.options:
        raise UserError(f"{task} already has a value for {name}")
    fixed = [f"{key}={value}" for key, value in expression.options.items()]
    return ",".join(f"{expression.name}[{','.join([*fixed, f'{name}={value}'])}]" for value in points(values))


def points(text: str) -> list[str]:
    """The values of `START:STOP:STEP` (both ends included) or `A,B,C`."""
    parts = text.split(":")
    if len(parts) == 1:
        values = [value.strip() for value in text.split(",")]
        check_count(text, len(values))
        return values
    try:
        start, stop, step = map(Decimal, parts)
        count = int((stop - start) / step) + 1
    except (ValueError, InvalidOperation, ArithmeticError):
        raise UserError(f"{short_repr(text)} is not START:STOP:STEP, such as 0:0.4:0.1") from None
    check_count(text, count)
    return [str(start + i * step) for i in range(count)]


def check_count(text: str, count: int) -> None:
    """Raise UserError for too few or too many values of an axis."""
    if not 1 < count <= MAX_POINTS:
        raise UserError(f"{short_repr(text)} has {plural(max(count, 0), 'value')}; an axis has 2 to {MAX_POINTS}")
