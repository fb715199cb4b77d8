"""Logs finished cells to the trackers of `--track`, from the files of a finished cell.

So a slow or missing server never affects a training, and a cell that was finished before is logged without another
training. W&B can also show a cell while it trains: `bench.tracking.live`.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bench.errors import UserError, unknown
from bench.jobs import MirrorJob
from bench.store.files import writable
from bench.store.folders import finish
from bench.tracking import lineage
from bench.tracking.registry import TRACKERS
from bench.tracking.wandb_runs import in_sweep, wanted_mode
from tasks.errors import short_repr


def names(track: str) -> tuple[str, ...]:
    """The trackers of `--track`: `wandb,tensorboard`; `none` alone is no tracker. Raises UserError."""
    found = tuple(dict.fromkeys(name.strip() for name in track.split(",")))
    if found == ("none",):
        return ()
    if "none" in found:
        raise UserError(f"--track none is no tracker; leave it out of {short_repr(track)}")
    for name in found:
        if name not in TRACKERS:
            raise unknown("tracker", name, ["none", *TRACKERS])
    return found


def check(track: str, cells: int, artifacts: Collection[str], *, live: bool = False) -> tuple[str, ...]:
    """The trackers that `track` names. Raises UserError if one cannot be used for `cells` cells, or as the others say.

    `artifacts`: the kinds of W&B artifacts to upload; `live`: whether W&B shows cells while they train.
    """
    trackers = names(track)
    if artifacts and "wandb" not in trackers:
        raise UserError("--log-artifacts needs --track wandb, since it uploads W&B artifacts")
    for kind in set(artifacts) - set(lineage.KINDS):
        raise unknown("kind of W&B artifact", kind, lineage.KINDS)
    if live and ("wandb" not in trackers or in_sweep()):
        raise UserError("--live-curves needs --track wandb; in a W&B sweep trials are sent when they are finished")
    for name in trackers:
        packages = TRACKERS[name].packages
        if not any(importlib.util.find_spec(package) for package in packages):
            raise UserError(f"--track {name} needs the package {packages[0]}: pip install {packages[0]}")
    if "wandb" in trackers and in_sweep() and cells > 1:
        raise UserError(
            f"in a W&B sweep a trial is one run of one cell, not of {cells} cells; give one method, task and seed"
        )
    return trackers


def check_folders(track: str) -> None:
    """Raise UserError if a tracker of `track` cannot write its files. The folder of the others is in the store."""
    for name in names(track):
        variable = TRACKERS[name].folder
        folder = os.environ.get(variable) or ("." if name == "wandb" and wanted_mode() != "disabled" else "")
        try:
            if variable and folder:
                writable(Path(folder).expanduser())
        except UserError as error:
            raise UserError(f"--track {name} {error}; set {variable} to a folder that can be written to") from error


def build(job: MirrorJob) -> dict[str, Any]:
    """Log one finished cell: configuration, every update, the final metrics, and the requested W&B artifacts."""
    from accelerate import PartialState

    PartialState()  # Accelerate's trackers log in the main process only, and need the state to know which it is
    notes = TRACKERS[job.tracker].log(job)
    finish(job.folder, {"notes": notes})
    return {"notes": notes}
