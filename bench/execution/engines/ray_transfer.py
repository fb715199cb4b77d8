"""Tables and results of nodes that do not see the store: they travel through Ray's object store.

The driver holds the lease of each job, packs the folders that it needs, once each, and places the folders that come
back into the store. A node keeps what it got in a folder of its own until the run ends.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from bench.errors import UserError
from bench.execution.causes import store_error
from bench.execution.engines.engine import give_back
from bench.execution.queue import Queue, outcome_elsewhere
from bench.jobs import Job, Outcome
from bench.remote.archives import packed
from bench.store.files import write_bytes
from bench.store.folders import acquire
from bench.store.layout import DONE, ERROR
from bench.store.leases import LeaseLostError, fenced, heartbeat

Value = TypeVar("Value")
LAST = (DONE, ERROR)  # the files that make a folder done or failed


def relocated(value: Value, old: Path, new: Path) -> Value:
    """A job, or a part of one, with all paths below `old` moved below `new`."""
    moved: Any = value
    if isinstance(value, Path):
        moved = new / value.relative_to(old) if value.is_relative_to(old) else value
    elif isinstance(value, tuple):
        moved = tuple(relocated(part, old, new) for part in value)
    elif isinstance(value, Mapping):
        moved = {key: relocated(part, old, new) for key, part in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        parts = {entry.name: getattr(value, entry.name) for entry in fields(value)}
        changed = {name: relocated(part, old, new) for name, part in parts.items() if holds_paths(part)}
        moved = replace(value, **changed)
    return moved  # type: ignore[no-any-return]


def holds_paths(value: Any) -> bool:
    """Whether a value may hold paths. Long lists, texts and arrays do not."""
    return isinstance(value, Path | tuple | Mapping) or is_dataclass(value)


def place(content: bytes, folder: Path) -> None:
    """Put the files of an archive into a folder whose lease this process holds; the one that makes it done comes last.

    Raises LeaseLostError if another process has taken the folder.
    """
    with tarfile.open(fileobj=io.BytesIO(content)) as archive, fenced(folder):
        last = [one for one in archive.getmembers() if Path(one.name).name in LAST and "/" not in one.name]
        archive.extractall(folder, [one for one in archive.getmembers() if one not in last], filter="data")
        for one in last:
            file = archive.extractfile(one)
            assert file is not None, "these are plain files"
            write_bytes(folder / Path(one.name).name, file.read())


@contextlib.contextmanager
def own_store(root: Path) -> Iterator[None]:
    """Raise UserError where the body, in the driver, cannot read or write the store: no further job can be finished."""
    try:
        yield
    except (OSError, tarfile.TarError) as error:
        text = f"the process that leads the run cannot use the store {root}: {error}; finished cells are kept"
        raise store_error(error, root) or UserError(text) from error


class Sender:
    """The driver's side: leases, packed folders, and the results that come back."""

    def __init__(self, queue: Queue, put: Callable[[bytes], Any]) -> None:
        self.queue, self.put = queue, put
        self.references: dict[Path, Any] = {}  # folder -> its archive in the object store
        self.leases: dict[str, contextlib.ExitStack] = {}  # job id -> the lease that is held for it

    def begin(self, job: Job) -> Outcome | None:
        """Take the lease of a job. Returns the outcome if it is done, failed or running elsewhere."""
        with own_store(job.root):
            if not acquire(job.root, job.folder, job.other_folder, job.replaces):
                return outcome_elsewhere(job)
            self.leases[job.id] = contextlib.ExitStack()
            self.leases[job.id].enter_context(heartbeat(job.folder))
        return None

    def inputs(self, job: Job) -> dict[str, Any]:
        """References to the archives of the folders that a job needs, by their names below the store."""
        found = {}
        with contextlib.ExitStack() as failed:
            failed.callback(self.drop, job)
            for need in job.needs:
                folder = self.queue.jobs[need].folder
                if folder not in self.references:
                    with own_store(job.root):
                        content = packed(folder)
                    self.references[folder] = self.put(content)
                found[folder.relative_to(job.root).as_posix()] = self.references[folder]
            failed.pop_all()
        return found

    def end(self, job: Job, results: Mapping[str, bytes]) -> bool:
        """Place the folders that a job wrote, and give its lease back. False if another process has taken it."""
        try:
            with own_store(job.root):
                for name, content in results.items():
                    folder = job.root / name
                    if folder == job.folder:
                        place(content, folder)
                    elif acquire(job.root, folder):
                        with heartbeat(folder):
                            place(content, folder)
        except LeaseLostError:
            return False
        finally:
            self.drop(job)
        return True

    def drop(self, job: Job) -> None:
        """Give the lease of a job back, if this process holds one."""
        if (lease := self.leases.pop(job.id, None)) is not None:
            with contextlib.suppress(OSError, UserError):
                lease.close()

    def forget(self, job: Job) -> None:
        """Give the lease of a job back, and remove that of its process, which has ended."""
        self.drop(job)
        give_back(job)
