"""A slot of a Ray cluster: a warm process that runs one job at a time, on the node to which it is bound.

Ray makes an actor of `Slot`. Torch is imported when the actor starts, so that the driver needs none.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.errors import UserError
from bench.execution.engines.ray_transfer import relocated
from bench.execution.limits import require_gpu
from bench.hashing import project_hash
from bench.jobs import Job, MirrorJob, Outcome, outputs
from bench.processes import HEART
from bench.remote.archives import packed, unpack
from bench.store.folders import State
from bench.store.layout import DONE
from bench.system import user
from bench.version import VERSION

# Variables of the driver that hold in each slot. No credentials: those belong on the nodes.
OF_TRACKERS = (
    *("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL", "WANDB_DIR", "WANDB_SWEEP_ID", "WANDB_RUN_ID"),
    *("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"),
)
PASSED = ("ACCELERATE_USE_CPU", "HF_HUB_OFFLINE", *OF_TRACKERS)
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # Ray sets the first to the CPUs of the actor


@dataclass(frozen=True)
class Facts:
    """What must be the same on all nodes, and whether a node sees the store."""

    package: str
    code: str
    python: str
    sees: bool = True


def facts(probe: Path | None = None) -> Facts:
    """The facts of this process. `probe`: a file of the store that the driver has made."""
    return Facts(VERSION, project_hash(), platform.python_version(), probe is None or probe.exists())


def environment() -> dict[str, str]:
    """The variables that a slot gets from this process."""
    return {**{name: os.environ[name] for name in PASSED if name in os.environ and not secret(name)}, **THREADS}


def secret(name: str) -> bool:
    """Whether a variable is an address that may hold a password, such as https://user:password@host."""
    return name.endswith(("_URI", "_URL")) and "@" in os.environ.get(name, "")


def withheld() -> list[str]:
    """A line for each variable that is not sent because it may hold a password."""
    return [
        f"{name} holds an @, perhaps a password, and is not sent: set it on the nodes"
        for name in PASSED
        if secret(name)
    ]


def stays(job: Job, notes: Sequence[str] = ()) -> str:
    """Why a node that does not see the store cannot log a cell; empty if it can, and for other jobs.

    `notes`: the lines of the finished job. W&B keeps files too where its server does not answer.
    """
    if not isinstance(job, MirrorJob):
        return ""
    if job.tracker == "wandb":
        from bench.tracking.wandb_runs import wanted_mode

        files = wanted_mode() in ("offline", "dryrun") or any("`wandb sync`" in note for note in notes)
    elif job.tracker == "mlflow":
        address = os.environ.get("MLFLOW_TRACKING_URI", "")
        files = urlsplit(address).scheme in ("", "file", "sqlite") and not address.startswith("databricks")
    else:
        files = True
    text = "files cannot travel from a node that does not see the store; repeat the command with --engine local"
    return f"{job.tracker} {text}" if files else ""


class Slot:
    """Runs jobs, and tells how long the current one has made no progress."""

    def __init__(self, variables: Mapping[str, str], probe: Path) -> None:
        os.environ.update(variables)
        self.probe, self.beat = probe, time.monotonic()

    def start(self) -> Facts | UserError:
        """Import what jobs need. Returns the facts of this process, or why it can run nothing."""
        own = facts(self.probe)
        try:
            from bench.encoders import matmul
            from bench.execution import worker  # noqa: F401  # sets one thread and quiet libraries

            require_gpu()
        except UserError as error:
            return error
        except (Exception, SystemExit) as error:
            return UserError(f"{type(error).__name__}: {error}")
        HEART.call = self.progress
        matmul.use_fastest()
        return own

    def progress(self) -> None:
        """Called by the loops of a job."""
        self.beat = time.monotonic()

    def run(self, job: Job) -> Outcome | UserError:
        """Run a job under its lease. Returns an error that must stop the run, instead of raising it."""
        from bench.execution import worker

        self.progress()
        try:
            return worker.run_job(job)
        except UserError as error:
            return error
        finally:
            if worker.resident() > worker.LARGE:
                worker.return_memory()

    def run_apart(self, job: Job, inputs: Mapping[str, Any]) -> tuple[Outcome | UserError, dict[str, bytes]]:
        """Run a job without a view of the store, in a folder that the slots of this node share.

        `inputs`: references to the folders that it needs, by name. Also returns the folders that it wrote, packed.
        """
        import ray

        if why := stays(job):
            return Outcome(job.id, State.FAILED, cause=why), {}
        here = self.apart()
        for name, reference in inputs.items():
            if not (here / name / DONE).exists():
                unpack(ray.get(reference), here / name, here)
        own = relocated(job, job.root, here)
        outcome = self.run(own)
        if isinstance(outcome, Outcome) and (why := stays(job, outcome.summary.get("notes", ()))):
            return Outcome(job.id, State.FAILED, cause=why), {}
        written = [folder for folder in outputs(own) if folder.exists()]
        return outcome, {folder.relative_to(here).as_posix(): packed(folder) for folder in written}

    def apart(self) -> Path:
        """The folder in which the slots of this node work if they do not see the store; a run has its own."""
        return Path(tempfile.gettempdir()) / f"bench-{user()}{self.probe.name}"

    def clean(self) -> None:
        """Remove the folder of `apart`."""
        shutil.rmtree(self.apart(), ignore_errors=True)

    def silent(self) -> float:
        """Seconds since the current job made progress. Runs in a thread of its own, beside `run`."""
        return time.monotonic() - self.beat
