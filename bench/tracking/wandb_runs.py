"""W&B: a cell as one run, online or kept for `wandb sync`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.jobs import MirrorJob
from bench.store.files import read_json
from bench.store.layout import DONE, SPEC
from bench.tracking import lineage
from bench.tracking.values import send
from bench.wandb_artifacts import PATIENCE, address, why_unreachable
from tasks.errors import in_a_line

if TYPE_CHECKING:
    import wandb
    from accelerate.tracking import WandBTracker

PROJECT = "data-weighting-bench"
LONGEST_TAG = 64  # characters that W&B allows; the configuration of a run has the whole label
SENDING = 30  # seconds that the server has to accept the rest of a run that it accepted at first
_unreachable: list[str] = []  # why this process no longer contacts the server


def in_sweep() -> bool:
    """Whether a W&B agent started this process. The agent fixes the id of the process's only run."""
    return "WANDB_SWEEP_ID" in os.environ


def logged_in() -> bool:
    """Whether there is a W&B key, in the environment or from `wandb login`. The server is not contacted."""
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(address()))


def wanted_mode() -> str:
    """WANDB_MODE, else online for a user who is logged in. The server is not contacted."""
    return os.environ.get("WANDB_MODE") or ("online" if logged_in() else "offline")


def chosen_mode() -> str:
    """The wanted mode. The server is contacted once; a silent one means offline."""
    mode = wanted_mode()
    if mode == "online" and not _unreachable and (why := why_unreachable()):
        _unreachable.append(f"W&B: {why}")
    return "offline" if mode == "online" and _unreachable else mode


def give_up(error: Exception) -> None:
    """End the client after an error. From now on this process writes runs offline, and says why."""
    import wandb

    if not _unreachable:
        _unreachable.append(f"W&B: the server did not accept a run ({in_a_line(error)})")
    wandb.teardown()  # otherwise the client's service process keeps the run's id


def to_wandb(job: MirrorJob) -> list[str]:
    """Log a cell as a W&B run; see `online_or_offline`."""
    return online_or_offline(lambda mode: as_run(job, mode))


def online_or_offline(log: Callable[[str], list[str]]) -> list[str]:
    """Log a W&B run: online if the user is logged in and the server accepts it, else offline for `wandb sync`.

    `log(mode)` writes the run and returns lines to print; all lines are returned.
    """
    mode = chosen_mode()
    if mode == "online":
        try:
            return log(mode)
        except Exception as error:  # the client raises many kinds, mostly as the server did not accept the run
            before = list(_unreachable)
            give_up(error)
            mode = "offline"
            try:
                notes = log(mode)
            except Exception:  # it is the run's own error: the server may accept the next one
                _unreachable[:] = before
                raise
    else:
        notes = log(mode)
    where = f"W&B runs are kept in {os.environ.get('WANDB_DIR', '.')}/wandb; `wandb sync` sends them"
    return [*_unreachable, *notes, *([] if mode == "disabled" else [where])]


def patient() -> wandb.Settings:
    """The client's settings, by which a server that does not answer costs seconds."""
    import wandb

    return wandb.Settings(
        init_timeout=PATIENCE, finish_timeout=SENDING, finish_timeout_raises=True, silent=True, console="off"
    )


def open_run(job: MirrorJob, mode: str) -> WandBTracker:
    """Start the run of a cell, or go on with the one of its id."""
    from accelerate.tracking import WandBTracker

    spec = read_json(job.cell / SPEC)
    own: dict[str, Any] = {"name": job.cell_title, "group": spec["task_ref"], "tags": [spec["label"][:LONGEST_TAG]]}
    if not in_sweep():
        own.update(id=job.cell.name)
        if mode == "online":
            own.update(resume="allow")
    tracker = WandBTracker(os.environ.get("WANDB_PROJECT", PROJECT), settings=patient(), mode=mode, **own)
    tracker.start()
    return tracker


def as_run(job: MirrorJob, mode: str) -> list[str]:
    """Log a cell and its W&B artifacts as one run. Returns lines to print; raises the client's errors in time."""
    tracker = open_run(job, mode)
    send(tracker, job)
    spec, metrics = read_json(job.cell / SPEC), read_json(job.cell / DONE)
    notes = [] if mode == "disabled" else lineage.log(tracker.run, job, spec, metrics)
    tracker.finish()
    return notes
