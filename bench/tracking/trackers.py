"""Mirrors of finished cells: W&B and TensorBoard, through Accelerate's trackers.

The store is the truth and a mirror is made from what a cell's folder holds, so a server that is slow or gone never
touches a training, and a cell that was finished before is mirrored without being trained again.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from bench.errors import UserError, unknown
from bench.jobs import MirrorJob
from bench.store.files import flatten, read_json
from bench.store.folders import finish
from bench.store.layout import DONE
from bench.tracking import lineage
from bench.wandb_artifacts import PATIENCE, address, why_unreachable

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker


PROJECT = "counterweight"
SENDING = 30  # seconds that a server which took a run's beginning has to take its end
TRACKERS = {"wandb": ("wandb",), "tensorboard": ("tensorboard", "tensorboardX")}  # name -> packages, one is needed
_unreachable: list[str] = []  # why this process no longer asks the server


def in_sweep() -> bool:
    """Whether a W&B agent started this process: it has then fixed the id of the one run that there is."""
    return "WANDB_SWEEP_ID" in os.environ


def check(tracker: str, cells: int, artifacts: Collection[str]) -> None:
    """Raises UserError where a tracker cannot be used for a grid of so many cells."""
    if artifacts and tracker != "wandb":
        raise UserError("artifacts are logged to W&B: --log-artifacts needs --track wandb")
    for kind in set(artifacts) - set(lineage.KINDS):
        raise unknown("kind of artifact", kind, lineage.KINDS)
    if tracker == "none":
        return
    if tracker not in TRACKERS:
        raise unknown("tracker", tracker, ["none", *TRACKERS])
    packages = TRACKERS[tracker]
    if not any(importlib.util.find_spec(name) for name in packages):
        raise UserError(f"--track {tracker} needs the package {packages[0]}: pip install {packages[0]}")
    if tracker == "wandb" and in_sweep() and cells > 1:
        raise UserError(f"in a W&B sweep one trial is one run and so one cell; this trial asks for {cells} cells")


def build(job: MirrorJob) -> dict[str, Any]:
    """Send one finished cell: configuration, every update, the final metrics, artifacts where asked for."""
    from accelerate import PartialState

    PartialState()  # Accelerate's trackers speak for the main process, and ask it which that is
    notes = SENDERS[job.tracker](job)
    finish(job.folder, {"notes": notes})
    return {"notes": notes}


def send(tracker: GeneralTracker, job: MirrorJob) -> None:
    """Tell a tracker what a cell's folder holds."""
    tracker.start()
    spec, metrics = read_json(job.cell / "spec.json"), read_json(job.cell / DONE)
    configuration = flatten({**spec, "cell": job.cell.name, "inputs": list(job.inputs)})
    tracker.store_init_configuration({key: plain(value) for key, value in configuration.items()})
    last = 0
    for line in (job.cell / "history.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        last = row.pop("step")
        tracker.log({f"train/{key}": value for key, value in row.items() if value is not None}, step=last)
    final = {**metrics, **{f"selected/{key}": value for key, value in metrics.get("selected", {}).items()}}
    tracker.log({key: value for key, value in final.items() if isinstance(value, int | float)}, step=last + 1)


def plain(value: Any) -> Any:
    """A value that every tracker stores: lists and non-finite numbers become text."""
    simple = value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if simple else str(value)


def logged_in() -> bool:
    """Whether there is a W&B key: in the environment or where `wandb login` leaves it. The server is not asked."""
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(address()))


def to_wandb(job: MirrorJob) -> list[str]:
    """A W&B run: online where the user is logged in and the server takes it, else offline for `wandb sync`."""
    import wandb

    mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    if mode == "online" and not _unreachable and (why := why_unreachable()):
        _unreachable.append(f"W&B: {why}")
    if mode == "online" and not _unreachable:
        try:
            return as_run(job, mode)
        except Exception as error:  # the client raises many kinds; each means: the server did not take it
            _unreachable.append(f"W&B: the server did not take a run ({' '.join(str(error).split())[:120]})")
            wandb.teardown()  # else the service that waits for the server keeps the run's id
    notes = as_run(job, "offline" if mode == "online" else mode)
    kept = f"W&B runs are kept in {os.environ.get('WANDB_DIR', '.')}/wandb; `wandb sync` sends them"
    return [*_unreachable, *notes, *([] if mode == "disabled" else [kept])]


def as_run(job: MirrorJob, mode: str) -> list[str]:
    """Send a cell and its artifacts as one run. Returns what is to be told; raises what the client does, in time."""
    import wandb
    from accelerate.tracking import WandBTracker

    spec = read_json(job.cell / "spec.json")
    settings = wandb.Settings(init_timeout=PATIENCE, finish_timeout=SENDING, finish_timeout_raises=True, silent=True)
    own: dict[str, Any] = {"name": job.cell_title, "group": spec["task_ref"], "tags": [spec["label"]]}
    if not in_sweep():
        own.update(id=job.cell.name)
        if mode == "online":
            own.update(resume="allow")
    tracker = WandBTracker(os.environ.get("WANDB_PROJECT", PROJECT), settings=settings, mode=mode, **own)
    send(tracker, job)
    notes = [] if mode == "disabled" else lineage.log(tracker.run, job, spec, read_json(job.cell / DONE))
    tracker.finish()
    return notes


def to_tensorboard(job: MirrorJob) -> list[str]:
    """Event files below `.tensorboard` in the store."""
    from accelerate.tracking import TensorBoardTracker

    spec = read_json(job.cell / "spec.json")
    name = f"{spec['task_ref']}/{spec['label']}/seed-{spec['seed']}-{job.cell.name}"
    tracker = TensorBoardTracker(name, logging_dir=job.root / ".tensorboard")
    send(tracker, job)
    tracker.finish()
    return []


SENDERS = {"wandb": to_wandb, "tensorboard": to_tensorboard}
