"""The trackers, through Accelerate's classes for them. A new tracker is one function here and one entry in `TRACKERS`.

Accelerate gives all of them the same calls; a function here says how a cell's run is named and where it is kept.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.jobs import MirrorJob
from bench.store.files import read_json
from bench.store.layout import SPEC
from bench.tracking.values import send
from bench.tracking.wandb_runs import PROJECT, to_wandb

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

Spec = Mapping[str, Any]  # the content of a cell's spec.json


@dataclass(frozen=True)
class Tracker:
    """A tracker: its packages, of which one is needed, and how it logs a cell."""

    packages: tuple[str, ...]
    log: Callable[[MirrorJob], list[str]]  # returns lines to print
    folder: str = ""  # the environment variable with the folder of its files, if it has one


def as_one_run(start: Callable[[MirrorJob, Spec], GeneralTracker]) -> Callable[[MirrorJob], list[str]]:
    """How a cell is logged as a run that `start` opens. It is closed in any case: a process has one at a time."""

    def log(job: MirrorJob) -> list[str]:
        tracker = start(job, read_json(job.cell / SPEC))
        tracker.start()
        try:
            send(tracker, job)
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is what counts
                tracker.finish()
            raise
        tracker.finish()
        return []

    return log


def own_folder(job: MirrorJob, variable: str = "") -> str:
    """The store's folder for a tracker's files; an environment variable is set to it, unless it is set."""
    folder = str((job.root / f".{job.tracker}").resolve())
    os.makedirs(folder, exist_ok=True)
    return os.environ.setdefault(variable, folder) if variable else folder


def open_tensorboard(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """Event files."""
    from accelerate.tracking import TensorBoardTracker

    name = f"{spec['task_ref']}/{spec['label']}/seed-{spec['seed']}-{job.cell.name}"
    return TensorBoardTracker(name, logging_dir=own_folder(job))


def open_mlflow(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """A run of the project's experiment at MLFLOW_TRACKING_URI, or in files."""
    import mlflow
    from accelerate.tracking import MLflowTracker

    if "MLFLOW_TRACKING_URI" not in os.environ:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow's database needs further packages
        mlflow.set_tracking_uri((job.root / ".mlflow").resolve().as_uri())
    tags = {"task": str(spec["task_ref"]), "method": str(spec["label"]), "cell": job.cell.name}
    return MLflowTracker(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT), run_name=job.cell_title, tags=tags)


def open_trackio(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """A run in a database of TRACKIO_DIR, or where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says."""
    own_folder(job, "TRACKIO_DIR")
    from accelerate.tracking import TrackioTracker

    return TrackioTracker(PROJECT, name=job.cell_title, group=spec["task_ref"], embed=False)


def open_comet_ml(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """An experiment at Comet, or without a key one in files for `comet upload`."""
    import comet_ml
    from accelerate.tracking import CometMLTracker

    own_folder(job, "COMET_OFFLINE_DIRECTORY")
    tags = [str(spec["task_ref"]), str(spec["label"])]
    about = comet_ml.ExperimentConfig(name=job.cell_title, tags=tags, log_code=False, display_summary_level=0)
    return CometMLTracker(PROJECT, experiment_config=about, online=bool(comet_ml.get_config("comet.api_key")))


def open_clearml(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """A task at the configured ClearML server, or without keys one in files for `clearml-task`."""
    import clearml
    from accelerate.tracking import ClearMLTracker

    own_folder(job, "CLEARML_CACHE_DIR")
    keys = os.environ.get("CLEARML_API_ACCESS_KEY") or clearml.config.config_obj.get("api.credentials.access_key", "")
    clearml.Task.set_offline(offline_mode=not keys)
    connections = dict.fromkeys(
        ("auto_connect_frameworks", "auto_connect_arg_parser", "auto_resource_monitoring"), False
    )
    tags = [str(spec["task_ref"]), str(spec["label"])]
    return ClearMLTracker(PROJECT, task_name=job.cell_title, tags=tags, reuse_last_task_id=False, **connections)


def open_dvclive(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """A folder of DVCLive's files for each cell."""
    from accelerate.tracking import DVCLiveTracker

    folder = f"{own_folder(job)}/{job.cell.name}"
    return DVCLiveTracker(job.cell_title, dir=folder, save_dvc_exp=False, dvcyaml=None)


def open_aim(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """A run in a repository of Aim."""
    import aim
    from accelerate.tracking import AimTracker

    folder = own_folder(job)
    aim.Repo.from_path(folder, init=True)
    return AimTracker(job.cell_title, logging_dir=folder, experiment=PROJECT)


def open_swanlab(job: MirrorJob, spec: Spec) -> GeneralTracker:
    """An experiment at SwanLab, or without a key one in files for `swanlab sync`."""
    from accelerate.tracking import SwanLabTracker

    mode = os.environ.get("SWANLAB_MODE") or ("online" if os.environ.get("SWANLAB_API_KEY") else "offline")
    return SwanLabTracker(PROJECT, name=job.cell_title, group=spec["task_ref"], log_dir=own_folder(job), mode=mode)


TRACKERS = {
    "wandb": Tracker(("wandb",), to_wandb, folder="WANDB_DIR"),
    "tensorboard": Tracker(("tensorboard", "tensorboardX"), as_one_run(open_tensorboard)),
    "mlflow": Tracker(("mlflow",), as_one_run(open_mlflow)),
    "trackio": Tracker(("trackio",), as_one_run(open_trackio), folder="TRACKIO_DIR"),
    "comet_ml": Tracker(("comet_ml",), as_one_run(open_comet_ml), folder="COMET_OFFLINE_DIRECTORY"),
    "clearml": Tracker(("clearml",), as_one_run(open_clearml), folder="CLEARML_CACHE_DIR"),
    "dvclive": Tracker(("dvclive",), as_one_run(open_dvclive)),
    "aim": Tracker(("aim",), as_one_run(open_aim)),
    "swanlab": Tracker(("swanlab",), as_one_run(open_swanlab)),
}
