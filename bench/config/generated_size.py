"""How many rows of a task's generated set a run trains on, of how many, and the option that decided it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.config.request import Request
from bench.config.settings import AUTO, PRESETS
from bench.config.task_choice import TaskChoice
from bench.errors import UserError
from tasks import TaskData
from tasks.errors import plural


@dataclass(frozen=True)
class GeneratedSize:
    """`used` of `total` generated rows, before the axes of stress that add or remove rows.

    Methods score `base` rows, of which `used` are trained on. `cause` is the option or preset that decided the number;
    it is empty if all rows are used because nothing limits them.
    """

    total: int
    base: int
    used: int
    cause: str

    def __str__(self) -> str:
        """`1,000 of 10,280 generated rows (preset quick; --generated-rows all)`."""
        count = "" if self.used == self.total else f"{self.used:,} of "
        return f"{count}{plural(self.total, 'generated row')}" + (f" ({self.cause})" if self.cause else "")

    def stored(self) -> dict[str, Any]:
        """The entry of spec.json and of the manifest."""
        return {"used": self.used, "of": self.total, "cause": self.cause}


def check_fills_batch(task: TaskChoice, rows: int, batch_size: int) -> None:
    """Raise UserError for fewer generated rows than a batch has."""
    if rows < batch_size:
        raise UserError(
            f"task {task.label}: {plural(rows, 'generated row')} cannot fill a batch of {batch_size}; give more "
            f"generated rows, or --batch-size {rows}"
        )


def generated_size(request: Request, task: TaskChoice, data: TaskData) -> GeneratedSize:
    """The size for a task of a request; `[generated=N]` overrules the limit of the settings.

    Raises UserError if N is more than the generated set has.
    """
    total, most, wanted = len(data.generated), request.settings.most_generated, task.stress.get("generated")
    if wanted is not None and wanted > total:
        raise UserError(
            f"task {task.label}: generated={wanted} is more than the {plural(total, 'row')} of the generated set; "
            f"[generated={total}] takes them all"
        )
    base = min(total, max(most or total, wanted or 0))
    if wanted is not None:
        return GeneratedSize(total, base, wanted, f"[generated={wanted}]")
    cause = f"--limit {request.limit}" if request.limit is not None else ""
    if request.settings.generated_rows == AUTO:
        cause = f"--generated-rows auto: at most {most:,}, {request.settings.resolved(base).updates:,} updates"
    elif base < total:
        of_preset = most == PRESETS[request.preset].settings.generated_rows
        cause = f"preset {request.preset}; --generated-rows all" if of_preset else f"--generated-rows {most}"
    return GeneratedSize(total, base, base, cause)
