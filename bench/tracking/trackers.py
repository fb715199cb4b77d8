"""Logs finished cells to W&B, TensorBoard and MLflow, through Accelerate's trackers.

A tracker's run is written from the files of a finished cell. So a slow or missing server never affects a training, and
a cell that was finished before is logged without another training.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from bench.errors import UserError, unknown
from bench.jobs import MirrorJob
from bench.store.files import flatten, json_lines, read_json
from bench.store.folders import finish
from bench.store.layout import DONE
from bench.store.schemas import Update
from bench.tracking import lineage
from bench.wandb_artifacts import PATIENCE, address, why_unreachable

if TYPE_CHECKING:
    import wandb
    from accelerate.tracking import GeneralTracker


PROJECT = "data-weighting-bench"
SENDING = 30  # seconds that the server has to accept the rest of a run that it accepted at first
TRACKERS = {  # name -> packages, one is needed
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
}
_unreachable: list[str] = []  # why this process no longer contacts the server


def in_sweep() -> bool:
    """Whether a W&B agent started this process. The agent fixes the id of the process's only run."""
    return "WANDB_SWEEP_ID" in os.environ


def names(track: str) -> tuple[str, ...]:
    """The trackers of `--track`: `wandb,tensorboard`; `none` alone is no tracker. Raises UserError."""
    found = tuple(dict.fromkeys(name.strip() for name in track.split(",")))
    if found == ("none",):
        return ()
    for name in found:
        if name not in TRACKERS:
            raise unknown("tracker", name, ["none", *TRACKERS])
    return found


def check(track: str, cells: int, artifacts: Collection[str]) -> tuple[str, ...]:
    """The trackers that `track` names. Raises UserError if one cannot be used for `cells` cells and these artifacts."""
    trackers = names(track)
    if artifacts and "wandb" not in trackers:
        raise UserError("--log-artifacts needs --track wandb, since it uploads W&B artifacts")
    for kind in set(artifacts) - set(lineage.KINDS):
        raise unknown("kind of W&B artifact", kind, lineage.KINDS)
    for name in trackers:
        packages = TRACKERS[name]
        if not any(importlib.util.find_spec(package) for package in packages):
            raise UserError(f"--track {name} needs the package {packages[0]}: pip install {packages[0]}")
    if "wandb" in trackers and in_sweep() and cells > 1:
        raise UserError(
            f"in a W&B sweep a trial is one run of one cell, not of {cells} cells; give one method, task and seed"
        )
    return trackers


def build(job: MirrorJob) -> dict[str, Any]:
    """Log one finished cell: configuration, every update, the final metrics, and the requested W&B artifacts."""
    from accelerate import PartialState

    PartialState()  # Accelerate's trackers log in the main process only, and need the state to know which it is
    notes = SENDERS[job.tracker](job)
    finish(job.folder, {"notes": notes})
    return {"notes": notes}


def send(tracker: GeneralTracker, job: MirrorJob) -> None:
    """Log a cell's files to a tracker."""
    tracker.start()
    spec, metrics = read_json(job.cell / "spec.json"), read_json(job.cell / DONE)
    about = {"cell": job.cell.name, "requested": job.requested, "inputs": list(job.inputs)}
    configuration = flatten({**spec, **about})
    tracker.store_init_configuration({key: plain(value) for key, value in configuration.items()})
    last = 0
    for row in json_lines(job.cell / "history.jsonl", Update):
        last = row.pop("step")
        tracker.log({f"train/{key}": value for key, value in row.items() if value is not None}, step=last)
    final = {**metrics, **{f"selected/{key}": value for key, value in metrics.get("selected", {}).items()}}
    tracker.log({key: value for key, value in final.items() if isinstance(value, int | float)}, step=last + 1)


def plain(value: Any) -> Any:
    """A value that every tracker stores: lists and non-finite numbers become text."""
    simple = value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
    return value if simple else str(value)


def logged_in() -> bool:
    """Whether there is a W&B key, in the environment or from `wandb login`. The server is not contacted."""
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(address()))


def to_wandb(job: MirrorJob) -> list[str]:
    """Log a cell as a W&B run; see `online_or_offline`."""
    return online_or_offline(lambda mode: as_run(job, mode))


def online_or_offline(log: Callable[[str], list[str]]) -> list[str]:
    """Log a W&B run: online if the user is logged in and the server accepts it, else offline for `wandb sync`.

    `log(mode)` writes the run and returns lines to print; all lines are returned.
    """
    import wandb

    mode = os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")
    if mode == "online" and not _unreachable and (why := why_unreachable()):
        _unreachable.append(f"W&B: {why}")
    if mode == "online" and not _unreachable:
        try:
            return log(mode)
        except Exception as error:  # the client raises many kinds; each means that the server did not accept the run
            _unreachable.append(f"W&B: the server did not accept a run ({' '.join(str(error).split())[:120]})")
            wandb.teardown()  # otherwise the client's service process keeps the run's id
    notes = log("offline" if mode == "online" else mode)
    where = f"W&B runs are kept in {os.environ.get('WANDB_DIR', '.')}/wandb; `wandb sync` sends them"
    return [*_unreachable, *notes, *([] if mode == "disabled" else [where])]


def patient() -> wandb.Settings:
    """The client's settings, by which a server that does not answer costs seconds."""
    import wandb

    return wandb.Settings(init_timeout=PATIENCE, finish_timeout=SENDING, finish_timeout_raises=True, silent=True)


def as_run(job: MirrorJob, mode: str) -> list[str]:
    """Log a cell and its W&B artifacts as one run. Returns lines to print; raises the client's errors in time."""
    from accelerate.tracking import WandBTracker

    spec = read_json(job.cell / "spec.json")
    own: dict[str, Any] = {"name": job.cell_title, "group": spec["task_ref"], "tags": [spec["label"]]}
    if not in_sweep():
        own.update(id=job.cell.name)
        if mode == "online":
            own.update(resume="allow")
    tracker = WandBTracker(os.environ.get("WANDB_PROJECT", PROJECT), settings=patient(), mode=mode, **own)
    send(tracker, job)
    notes = [] if mode == "disabled" else lineage.log(tracker.run, job, spec, read_json(job.cell / DONE))
    tracker.finish()
    return notes


def to_tensorboard(job: MirrorJob) -> list[str]:
    """Write event files below `.tensorboard` in the store."""
    from accelerate.tracking import TensorBoardTracker

    spec = read_json(job.cell / "spec.json")
    name = f"{spec['task_ref']}/{spec['label']}/seed-{spec['seed']}-{job.cell.name}"
    tracker = TensorBoardTracker(name, logging_dir=job.root / ".tensorboard")
    send(tracker, job)
    tracker.finish()
    return []


def to_mlflow(job: MirrorJob) -> list[str]:
    """Write a run of the project's experiment to MLFLOW_TRACKING_URI, or to `.mlflow` in the store."""
    import mlflow
    from accelerate.tracking import MLflowTracker

    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow's database needs further packages
        mlflow.set_tracking_uri((job.root / ".mlflow").resolve().as_uri())
    spec = read_json(job.cell / "spec.json")
    tags = {"task": str(spec["task_ref"]), "method": str(spec["label"]), "cell": job.cell.name}
    tracker = MLflowTracker(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT), run_name=job.cell_title, tags=tags)
    try:
        send(tracker, job)
    except BaseException:
        mlflow.end_run("FAILED")  # or no later cell of this process could begin its own
        raise
    tracker.finish()
    return []


SENDERS = {"wandb": to_wandb, "tensorboard": to_tensorboard, "mlflow": to_mlflow}
