"""What trackers get of a cell: its configuration, each update, and its final metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.jobs import MirrorJob
from bench.store.files import flatten, read_json, read_json_lines
from bench.store.layout import DONE, HISTORY, SPEC
from bench.store.schemas import Update

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


def send(tracker: GeneralTracker, job: MirrorJob) -> None:
    """Log the files of a finished cell to a tracker that was started."""
    send_configuration(tracker, job)
    last = 0
    for row in read_json_lines(job.cell / HISTORY, Update):
        last = send_update(tracker, row)
    metrics = read_json(job.cell / DONE)
    final = {**metrics, **{f"selected/{key}": value for key, value in metrics.get("selected", {}).items()}}
    tracker.log({key: value for key, value in final.items() if isinstance(value, int | float)}, step=last + 1)


def send_configuration(tracker: GeneralTracker, job: MirrorJob) -> None:
    """Log a cell's specification, settings as they were requested, and the W&B artifacts that it is from."""
    about = {"cell": job.cell.name, "requested": job.requested, "inputs": list(job.inputs)}
    configuration = flatten({**read_json(job.cell / SPEC), **about})
    tracker.store_init_configuration({key: plain(value) for key, value in configuration.items()})


def send_update(tracker: GeneralTracker, row: Mapping[str, Any]) -> int:
    """Log the numbers of one update that are finite. Returns the update's number."""
    step = int(row["step"])
    numbers = {key: value for key, value in row.items() if key != "step" and value is not None and math.isfinite(value)}
    tracker.log({f"train/{key}": value for key, value in numbers.items()}, step=step)
    return step


def plain(value: Any) -> Any:
    """A value that every tracker stores: lists and non-finite numbers become text."""
    simple = value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if simple else str(value)
