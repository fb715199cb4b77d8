"""The store: a folder per cell or artefact, its state, its lease, and writes that are whole or not there.

    runs/<task>/<method>/<id>/       a cell
    runs/<task>/<method>/<id>/model/ its trained model, where that was asked for
    runs/.artefacts/<kind>/<id>/     what cells share
    runs/.grids/<id>.json            what was asked for, to report on it again

`metrics.json` is written last and atomically: its presence means done. It holds the sizes of the files beside it, so
that a folder damaged later is made again instead of read.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench.store.files import read_json, whole_folder, write_json
from bench.store.layout import DONE, ERROR, LEASE, LOG, root_of
from bench.store.leases import alive, exclusive, read_lease, started

CAUSE_LENGTH = 300  # characters of an error message that are repeated


class State(StrEnum):
    """What a folder of the store says about its cell; `blocked` is known to the grid alone."""

    MISSING = "missing"
    RUNNING = "running"
    STALE = "stale"
    BLOCKED = "blocked"
    FAILED = "failed"
    DONE = "done"


def finish(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Mark a folder as done: its metrics, and the sizes of its files."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (LEASE, LOG))
    sizes = {path.name: path.stat().st_size for path in files}
    write_json(folder / DONE, {**metrics, "files": sizes})


def whole(folder: Path) -> bool:
    """Whether a folder that is marked as done still has the files that it was finished with."""
    try:
        sizes = json.loads((folder / DONE).read_text(encoding="utf-8")).get("files", {})
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def state(folder: Path) -> State:
    """The state of a cell or artefact folder."""
    if (folder / DONE).exists():
        return State.DONE if whole(folder) else State.STALE
    if (folder / ERROR).exists():
        return State.FAILED
    lease = read_lease(folder / LEASE)
    if lease is not None:
        return State.RUNNING if alive(folder / LEASE, lease) else State.STALE
    return State.STALE if folder.exists() and any(folder.iterdir()) else State.MISSING


def failure(folder: Path) -> str:
    """Why a folder's cell failed, in one line; empty where nothing failed."""
    if (folder / DONE).exists() or not (folder / ERROR).exists():
        return ""
    told = read_json(folder / ERROR)
    line = " ".join(f"{told.get('type', 'error')}: {told.get('message', '')}".split())
    return line if len(line) <= CAUSE_LENGTH else line[: CAUSE_LENGTH - 3] + "..."


def acquire(root: Path, folder: Path, other_folder: Path | None = None) -> bool:
    """Take the lease of a folder and empty it of what a dead attempt left. False: done, failed or held by another.

    `twin` is another folder for the same: where it is done or somebody is at it, there is nothing to do here.
    """
    with exclusive(root):
        if state(folder) in (State.RUNNING, State.DONE, State.FAILED):
            return False
        if other_folder is not None and state(other_folder) in (State.RUNNING, State.DONE):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        owner = {"pid": os.getpid(), "started": started(os.getpid()), "host": socket.gethostname()}
        write_json(folder / LEASE, owner)
        return True


def forget(folder: Path) -> None:
    """Remove a folder's result or failure, so that it is made again; one that is running is left alone."""
    with exclusive(root_of(folder)):
        if state(folder) is not State.RUNNING:
            shutil.rmtree(folder, ignore_errors=True)


def adopt(source: Path, target: Path, root: Path) -> bool:
    """Make a finished folder also stand at `target` (hard links where the disk allows). False if not finished."""
    if state(source) is not State.DONE or state(target) is State.DONE:
        return False
    with exclusive(root):
        if state(target) in (State.DONE, State.RUNNING):
            return False
        shutil.rmtree(target, ignore_errors=True)
        with whole_folder(target) as part:
            shutil.copytree(source, part, copy_function=link_or_copy, dirs_exist_ok=True)
        return True


def link_or_copy(source: str, target: str) -> None:
    """A hard link, or a copy where links are not possible."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
