"""`bench stress`: one axis of stress as a grid. The grid itself is `bench run` on one task reference per value."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from bench.config.expressions import parse
from bench.errors import UserError, unknown
from tasks import AXES

MOST = 50  # points of an axis: more is a slip of the step


def along(task: str, axis: str) -> str:
    """Task references along an axis: `twitter`, `noise=0:0.4:0.2` to `twitter[noise=0],twitter[noise=0.2],...`.

    Raises UserError for an axis that there is not, a range that is none, or a task that has the axis already.
    """
    name, equals, values = (part.strip() for part in axis.partition("="))
    known = [key for key, entry in AXES.items() if entry.option_of is None]
    if name not in known:
        raise unknown("axis", name, known)
    if not equals:
        raise UserError(f"--axis {axis!r} has no values: {name}=START:STOP:STEP or {name}=A,B,C")
    (ref, *others) = parse(task, "[]")
    if others:
        raise UserError(f"--task takes one task, not {task!r}")
    if name in ref.options:
        raise UserError(f"{task} has a value for {name} already")
    fixed = [f"{key}={value}" for key, value in ref.options.items()]
    return ",".join(f"{ref.name}[{','.join([*fixed, f'{name}={value}'])}]" for value in points(values))


def points(text: str) -> list[str]:
    """The values of `START:STOP:STEP` (both ends in) or `A,B,C`."""
    parts = text.split(":")
    if len(parts) == 1:
        return [value.strip() for value in text.split(",")]
    try:
        start, stop, step = map(Decimal, parts)
        count = int((stop - start) / step) + 1
    except (ValueError, InvalidOperation, ArithmeticError):
        raise UserError(f"{text!r} is not START:STOP:STEP, such as 0:0.4:0.1") from None
    if not 1 < count <= MOST:
        raise UserError(f"{text!r} has {max(count, 0)} values; an axis has 2 to {MOST}")
    return [str(start + i * step) for i in range(count)]
