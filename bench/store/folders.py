"""The folders of a store: their states, and how they are taken, finished, removed and linked.

    runs/<task>/<method>/<id>/       a cell
    runs/<task>/<method>/<id>/model/ its trained model, if it was requested
    runs/.artefacts/<kind>/<id>/     a precomputed table, which cells share
    runs/.grids/<id>.json            the manifest of a grid, for its report
    runs/.looks/<id>.json            the numbers of seeds at which verdicts of one table were read

`metrics.json` is written last and atomically. It holds sizes and digests of the files beside it: a folder is done if it
has this file and the others match it, otherwise it is computed again (`bench.store.integrity`).
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from bench import system
from bench.hashing import file_hash
from bench.store.files import json_text, read_json, replacing, sync, whole_folder, write_json
from bench.store.integrity import damage, sealed
from bench.store.layout import DONE, ERROR, LEASE, LOG, root_of
from bench.store.leases import LeaseLostError, Life, exclusive, fenced, life, take

CAUSE_LENGTH = 300  # characters of an error message that other texts quote


class State(StrEnum):
    """The state of a cell or precomputed table. Its folder shows all but `blocked`, which only a queue knows."""

    MISSING = "missing"
    RUNNING = "running"
    STALE = "stale"  # damaged, or left unfinished by a dead process; `state_word` says which
    BLOCKED = "blocked"
    FAILED = "failed"
    DONE = "done"


def finish(folder: Path, metrics: Mapping[str, Any], name: str = "") -> None:
    """Mark a folder as done: write its metrics with sizes and digests of its files, all of which are on the disk first.

    `name`: the folder's final name, if it is written under another one and then moved. Raises LeaseLostError and then
    writes nothing, if another process has taken the folder.
    """
    content = json_text(sealed(folder, metrics, name or folder.name))
    with replacing(folder / DONE, fenced(folder)) as part:
        part.write_bytes(content.encode())
        sync(path for path in folder.rglob("*") if path.name not in (LEASE, LOG))
    sync([folder, *folder.parents[:3]])  # their entries: the folder's name is in its parent, up to the store


def fail(folder: Path, error: Mapping[str, Any]) -> State:
    """Mark a folder as failed and return its state: `running`, and nothing is written, if another process took it."""
    try:
        with fenced(folder):
            write_json(folder / ERROR, error)
    except LeaseLostError:
        return State.RUNNING
    return State.FAILED


def state(folder: Path, contents: dict[str, bytes] | None = None) -> State:
    """The state of the folder of a cell or precomputed table. `contents`: see `damage`."""
    if os.path.exists(f"{folder}/{DONE}"):  # a store has tens of thousands of these
        return State.STALE if damage(folder, contents=contents) else State.DONE
    if (folder / ERROR).exists():
        return State.FAILED
    if (owner := life(folder / LEASE)) is not None:
        return State.STALE if owner is Life.DEAD else State.RUNNING
    return State.STALE if folder.exists() and any(folder.iterdir()) else State.MISSING


def state_word(folder: Path, present: State | None = None) -> str:
    """The state of a folder as users read it: a stale one is `damaged` if it was finished, else `unfinished`.

    `present`: its state, where that is known.
    """
    present = present or state(folder)
    if present is not State.STALE:
        return str(present)
    return "damaged" if (folder / DONE).exists() else "unfinished"


def failure(folder: Path) -> str:
    """Why a folder's cell failed, in one line; empty if it did not fail."""
    if (folder / DONE).exists() or not (folder / ERROR).exists():
        return ""
    error = read_json(folder / ERROR)
    line = " ".join(f"{error.get('type', 'error')}: {error.get('message', '')}".split())
    return line if len(line) <= CAUSE_LENGTH else line[: CAUSE_LENGTH - 3] + "..."


def result_of(folder: Path) -> str:
    """A digest that tells a folder's result from any other one; empty without a result."""
    try:
        return file_hash(folder / DONE)
    except FileNotFoundError:
        return ""


def has_one_of(folder: Path, results: Collection[str]) -> bool:
    """Whether a folder has one of some results, which are named by `result_of`."""
    return bool(results) and result_of(folder) in results


def acquire(root: Path, folder: Path, other_folder: Path | None = None, replaces: Collection[str] = ()) -> bool:
    """Take the lease of a folder and remove the files of a dead attempt. False if it is done, failed or running.

    `other_folder` may hold the same result: False as well if that one is done or running. The results `replaces` (see
    `result_of`) are removed from both first. So a job that has replaced its result is not done once more, by whomever.
    Raises OSError for a folder that cannot be removed. It removes nothing if a finished folder cannot be read.
    """
    with exclusive(root):
        for path in filter(None, (folder, other_folder)):
            if has_one_of(path, replaces):
                remove(path)
        if state(folder) in (State.RUNNING, State.DONE, State.FAILED):
            return False
        if (folder / DONE).exists() and not damage(folder, certain=True):
            return False
        if other_folder is not None and state(other_folder) in (State.RUNNING, State.DONE):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        take(root, folder / LEASE)
        return True


def forget(folder: Path) -> bool:
    """Remove a folder's result or failure, so that it is computed again. False, and it stays, if it is running.

    Raises OSError, which names a file, if it cannot be removed.
    """
    with exclusive(root_of(folder)):
        if state(folder) is State.RUNNING:
            return False
        remove(folder)
        return True


def remove(folder: Path) -> None:
    """Remove a folder, if it is there. Raises OSError, which names a file. The caller holds the store's lock.

    The mark that it is done goes first: what a stop leaves is an unfinished folder, not a damaged one.
    """
    if folder.exists():
        system.patiently((folder / DONE).unlink, missing_ok=True)
        system.patiently(shutil.rmtree, folder)


def adopt(source: Path, target: Path, root: Path) -> bool:
    """Link or copy a finished folder to `target`. False if `source` is not done, or `target` is done or running."""
    if state(source) is not State.DONE or state(target) is State.DONE:
        return False
    with exclusive(root):
        if state(target) in (State.DONE, State.RUNNING):
            return False
        shutil.rmtree(target, ignore_errors=True)
        with whole_folder(target) as part:
            copy_folder(source, part)
        return True


def copy_folder(source: Path, target: Path) -> None:
    """Link or copy the files of a folder into an existing one, which can be changed also if the source cannot."""
    others = shutil.ignore_patterns(LEASE)  # its owner may still hold it for a moment
    shutil.copytree(source, target, ignore=others, copy_function=link_or_copy, dirs_exist_ok=True)
    for copied in [target, *filter(Path.is_dir, target.rglob("*"))]:
        copied.chmod(copied.stat().st_mode | stat.S_IRWXU)


def link_or_copy(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
