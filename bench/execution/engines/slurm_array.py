"""Job arrays: how they are submitted through submitit, recorded in the store, and asked for their states.

A record is written before its array is submitted, and has a name that SLURM knows the array by. So a command that is
repeated finds the array of one that was killed, at whatever moment.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.execution.engines.slurm_task import Bundle
from bench.store.files import write_json
from bench.store.leases import Life, exclusive, life, take

FOLDER, OWNER = ".slurm", "owner"  # of a store: a folder for each array, in it the lease of the command that owns it
ANSWER = 60  # seconds in which a command of SLURM must answer
ENDED = "ended"  # the state of a task that the scheduler has forgotten
# States of `squeue` in which a task runs, or will.
RUNS = ("RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED")
WAITS = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
ALIVE = (*RUNS, *WAITS)


@dataclass
class Array:
    """A submitted array: its folder in the store, the ids of each task's jobs, and the process ids of a local one.

    `ends`: the ids of the jobs that it was submitted for, such as cells; the others are what those need.
    """

    folder: Path
    tasks: list[list[str]]
    ends: list[str]
    cluster: str
    pids: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the array in SLURM."""
        return self.folder.name

    def journal(self, index: int) -> Path:
        """The journal of a task."""
        return self.folder / f"{index}.jsonl"

    def write(self) -> None:
        """Record the array."""
        names = ("tasks", "ends", "cluster", "pids")
        write_json(self.folder / "array.json", {name: getattr(self, name) for name in names})

    def adopt(self, root: Path) -> bool:
        """Become the owner, who may cancel the array and remove its record. False while another command owns it."""
        owner = self.folder / OWNER
        with exclusive(root):
            if life(owner) not in (None, Life.DEAD):
                return False
            take(root, owner)
        return True

    def states(self) -> dict[int, str] | None:
        """The state of each task; `ended` if the scheduler has forgotten it. None if the scheduler does not answer."""
        if self.cluster == "local":
            return {index: "RUNNING" if self.lives(index) else ENDED for index in range(len(self.tasks))}
        command = ["squeue", "--noheader", "--array", "--states=all", f"--name={self.name}", "--format=%K|%T"]
        done = slurm(command)
        if done is None or done.returncode:
            return None
        found = dict(line.strip().split("|", 1) for line in done.stdout.splitlines() if "|" in line)
        if len(self.tasks) == 1:  # submitit makes no array of one task
            return {0: next(iter(found.values()), ENDED)}
        return {index: found.get(str(index), ENDED) for index in range(len(self.tasks))}

    def lives(self, index: int) -> bool:
        """Whether the process of a local task lives."""
        with contextlib.suppress(OSError, IndexError):
            stat = Path(f"/proc/{self.pids[index]}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
            return stat != "Z" and str(self.folder) in Path(f"/proc/{self.pids[index]}/cmdline").read_text("utf-8")
        return False

    def cancel(self) -> bool:
        """End all tasks that run or wait. False if SLURM does not answer or refuses."""
        if self.cluster != "local":
            done = slurm(["scancel", f"--name={self.name}"])
            return done is not None and not done.returncode
        for index, pid in enumerate(self.pids):
            if self.lives(index):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        return True

    def output(self, index: int) -> str:
        """The last line that a task wrote to its standard error; empty without any."""
        start = "*_" if len(self.tasks) == 1 else f"*_{index}_"
        if self.cluster == "local" and index < len(self.pids):
            start = f"{self.pids[index]}_"
        for path in sorted(self.folder.glob(f"{start}*_log.err")):
            lines = [line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
            return lines[-1].strip() if lines else ""
        return ""


@dataclass(eq=False)
class Task:
    """An array task that is followed: its array, its number, its unfinished jobs, and how far its journal was read.

    `earlier`: whether another command submitted it. Its journal may name failures that were removed since.
    """

    array: Array
    index: int
    jobs: list[str]
    read: int = 0
    begun: list[str] = field(default_factory=list)  # jobs that began and did not end
    earlier: bool = False


def slurm(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """A command of SLURM; None if it does not answer."""
    try:
        return subprocess.run([*command], capture_output=True, text=True, timeout=ANSWER)
    except (subprocess.TimeoutExpired, OSError):
        return None


def recorded(root: Path) -> list[Array]:
    """The arrays of a store, the oldest first. One whose record cannot be read is of a process that died early."""
    arrays = []
    for path in sorted((root / FOLDER).glob("*/array.json"), key=lambda path: path.stat().st_mtime):
        with contextlib.suppress(ValueError, KeyError, OSError):
            entry = json.loads(path.read_text("utf-8"))
            arrays.append(Array(path.parent, entry["tasks"], entry["ends"], entry["cluster"], entry["pids"]))
    return arrays


def submit(
    root: Path, bundles: Sequence[Sequence[Any]], cluster: str, parameters: Mapping[str, Any], task: Any
) -> Array:
    """Submit an array with a task for each bundle of jobs. Raises UserError where SLURM refuses it.

    `task(jobs, journal)` makes the `Bundle` of a task; `parameters` are those of submitit.
    """
    import submitit

    folder = root / FOLDER / f"bench-{secrets.token_hex(6)}"
    needed = {need for jobs in bundles for job in jobs for need in job.needs}
    ends = [job.id for jobs in bundles for job in jobs if job.id not in needed]
    array = Array(folder, [[job.id for job in jobs] for jobs in bundles], ends, cluster)
    array.folder.mkdir(parents=True)
    array.adopt(root)
    array.write()
    work: list[Bundle] = [task(tuple(jobs), array.journal(index)) for index, jobs in enumerate(bundles)]
    try:
        executor = submitit.AutoExecutor(folder=array.folder, cluster=cluster)
        executor.update_parameters(name=array.name, **parameters)
        with executor.batch():
            submitted = [executor.submit(bundle) for bundle in work]
    except Exception as error:  # of submitit, which quotes sbatch
        text = f"engine slurm: the array cannot be submitted: {' '.join(str(error).split())[-400:]}"
        if not array.cancel():  # sbatch may fail, such as by a timeout, after SLURM has accepted the array
            text += f"; scancel fails too, so {array.name} may run: the same command looks for it"
            raise UserError(text) from error
        shutil.rmtree(array.folder, ignore_errors=True)
        raise UserError(text) from error
    if cluster == "local":
        array.pids = [int(job.job_id) for job in submitted]
        array.write()
    return array
