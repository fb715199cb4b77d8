"""Mirrors of finished cells: W&B and TensorBoard, through Accelerate's trackers.

The store is the truth and a mirror is made from what a cell's folder holds, so a server that is slow or gone never
touches a training, and a cell that was finished before is mirrored without being trained again.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bench.errors import UserError, unknown
from bench.hashing import digest
from bench.jobs import CellJob, MirrorJob
from bench.store import DONE, artefact_path, finish, read_json

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

    from bench.plan import Plan

PROJECT = "counterweight"
PATIENCE = 10  # seconds to wait for a server before a run is kept offline
TRACKERS = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX")}  # name -> packages, one is needed
_unreachable: list[str] = []  # why this process no longer asks the server

logger = logging.getLogger(__name__)


def in_sweep() -> bool:
    """Whether a W&B agent started this process: it has then fixed the id of the one run that there is."""
    return "WANDB_SWEEP_ID" in os.environ


def check(tracker: str, cells: int) -> None:
    """Raises UserError where a tracker cannot be used for a grid of so many cells."""
    if tracker not in TRACKERS:
        raise unknown("tracker", tracker, ["none", *TRACKERS])
    packages = TRACKERS[tracker]
    if not any(importlib.util.find_spec(name) for name in packages):
        raise UserError(f"--track {tracker} needs the package {packages[0]}: pip install {packages[0]}")
    if tracker == "wandb" and in_sweep() and cells > 1:
        raise UserError(f"in a W&B sweep one trial is one run and so one cell; this trial asks for {cells} cells")


def mirror(made: Plan, tracker: str) -> None:
    """Add to a plan a mirror of each cell that was asked for. Raises UserError."""
    check(tracker, len(made.cells))
    run = os.environ.get("WANDB_RUN_ID", "") if in_sweep() else ""
    jobs: dict[str, MirrorJob] = {}
    for identity in made.cells:
        cell = made.jobs[identity]
        assert isinstance(cell, CellJob)
        folder = artefact_path(made.root, "mirror", digest([tracker, cell.spec.id, run]))
        job = MirrorJob(f"mirror/{folder.name}", folder, made.root, (identity,), tracker, cell.folder, cell.title)
        jobs[job.id] = job
    made.mirrors = list(jobs)
    made.jobs = {**jobs, **made.jobs}  # in front: a cell is mirrored as soon as it is done


def build(job: MirrorJob) -> dict[str, Any]:
    """Send one finished cell: configuration, every update, and the final metrics."""
    from accelerate import PartialState

    PartialState()  # Accelerate's trackers speak for the main process, and ask it which that is
    spec, metrics = read_json(job.cell / "spec.json"), read_json(job.cell / DONE)
    tracker, notes = STARTERS[job.tracker](job, spec)
    tracker.store_init_configuration(flat({**spec, "cell": job.cell.name}))
    last = 0
    for line in (job.cell / "history.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        last = row.pop("step")
        tracker.log({f"train/{key}": value for key, value in row.items() if value is not None}, step=last)
    tracker.log({key: value for key, value in metrics.items() if isinstance(value, int | float)}, step=last + 1)
    tracker.finish()
    finish(job.folder, {"notes": notes})
    return {"notes": notes}


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `settings.lr`; lists as text."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        elif (
            value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
        ):
            found[f"{prefix}{key}"] = value
        else:
            found[f"{prefix}{key}"] = str(value)
    return found


def logged_in() -> bool:
    """Whether there is a W&B key: in the environment or where `wandb login` leaves it. The server is not asked."""
    import wandb
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(wandb.Settings().base_url))


def start_wandb(job: MirrorJob, spec: Mapping[str, Any]) -> tuple[GeneralTracker, list[str]]:
    """A W&B run: online where the user is logged in and the server answers, else offline for `wandb sync`."""
    import wandb
    from accelerate.tracking import WandBTracker

    project = os.environ.get("WANDB_PROJECT", PROJECT)
    settings = wandb.Settings(init_timeout=PATIENCE, silent=True)
    own: dict[str, Any] = {"name": job.cell_title, "group": spec["task_ref"], "tags": [spec["label"]]}
    if not in_sweep():
        own.update(id=job.cell.name)
    mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    if mode == "online" and not _unreachable:
        tracker = WandBTracker(project, settings=settings, mode=mode, resume=None if in_sweep() else "allow", **own)
        try:
            tracker.start()
            return tracker, []
        except (wandb.errors.CommError, wandb.errors.UsageError) as error:
            _unreachable.append(f"W&B does not answer ({' '.join(str(error).split())[:120]})")
            wandb.teardown()  # else the service that waits for the server keeps the run's id
    tracker = WandBTracker(project, settings=settings, mode="offline" if mode == "online" else mode, **own)
    tracker.start()
    kept = f"W&B runs are kept in {os.environ.get('WANDB_DIR', '.')}/wandb; `wandb sync` sends them"
    return tracker, [*_unreachable, *([] if mode == "disabled" else [kept])]


def start_tensorboard(job: MirrorJob, spec: Mapping[str, Any]) -> tuple[GeneralTracker, list[str]]:
    """Event files below `.tensorboard` in the store."""
    from accelerate.tracking import TensorBoardTracker

    name = f"{spec['task_ref']}/{spec['label']}/seed-{spec['seed']}-{job.cell.name}"
    tracker = TensorBoardTracker(name, logging_dir=job.root / ".tensorboard")
    tracker.start()
    return tracker, []


STARTERS = {"wandb": start_wandb, "tensorboard": start_tensorboard}
