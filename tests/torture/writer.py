"""A process that computes the cells of a store, as a worker does: lease, files, completion; without a training."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pathlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hashing import digest
from bench.store import leases
from bench.store.folders import State, acquire, fail, finish, forget, state
from bench.store.layout import DONE, cell_path, precomputed_path

DAY = 86_400
FILES = ("predictions.parquet", "train_scores.parquet", "history.jsonl")
TABLE = digest("a table that every cell needs and no grid lists")


@dataclass(frozen=True)
class Setting:
    """What is wrong with the world of one writer."""

    machine: str = ""  # a name: the locks of this writer's leases are invisible to writers on other machines
    clock: float = 0.0  # seconds by which this machine's clock is ahead
    faults: float = 0.0  # probability that a call of open, write, fsync or rename fails
    namespace: bool = False  # whether it runs in a PID namespace of its own


def cells(root: Path, count: int) -> list[Path]:
    """The folders of `count` cells."""
    return [cell_path(root, "task", "method", digest(number)) for number in range(count)]


def write(root: Path, journal: Path, count: int, setting: Setting, seed: int) -> None:
    """Compute the cells of a store until all are done. A line of `journal` names each result that was published."""
    generator = random.Random(seed)
    distort(setting, generator)
    note = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    while True:
        try:
            with leases.registered(root):
                work(root, count, generator, lambda line: os.write(note, f"{line}\n".encode()))
            return
        except OSError:  # injected; a run ends, and the user starts it again
            time.sleep(0.01)


def work(root: Path, count: int, generator: random.Random, note: Callable[[str], Any]) -> None:
    """One run: the table that all cells need, then the cells in any order."""
    table = precomputed_path(root, "tokens", TABLE)

    def cell(folder: Path) -> None:
        if not (table / DONE).exists():
            note(f"missing {folder.name}")
        compute(folder, generator)
        note(f"done {folder.name}")

    work_off(root, [table], generator, lambda folder: compute(folder, generator))
    work_off(root, cells(root, count), generator, cell)


def work_off(root: Path, folders: list[Path], generator: random.Random, build: Callable[[Path], None]) -> None:
    """Build folders, each under its lease, until all are done."""
    while waiting := {folder: now for folder in folders if (now := state(folder)) is not State.DONE}:
        abandoned = [folder for folder, now in waiting.items() if now is State.STALE]  # taken at once, as by a run
        folder = generator.choice(abandoned or list(waiting))
        if waiting[folder] is State.FAILED:
            forget(folder)
        if acquire(root, folder):
            with leases.heartbeat(folder):
                try:
                    build(folder)
                except Exception as error:
                    fail(folder, {"type": type(error).__name__, "message": str(error)})
        time.sleep(generator.random() * 0.02)  # a moment in which only the lease of the run shows that it lives


def compute(folder: Path, generator: random.Random) -> None:
    """Write the files of a folder, all with the name of one attempt, and publish them."""
    attempt = f"{folder.name} {generator.random()}\n"
    time.sleep(generator.random() * 0.02)  # the training
    with leases.fenced(folder):
        for name in FILES:
            (folder / name).write_bytes(attempt.encode() * generator.randint(1, 300))
    time.sleep(generator.random() * 0.002)
    finish(folder, {"attempt": attempt})


def distort(setting: Setting, generator: random.Random) -> None:
    """Make this process see the world as `setting` describes it."""
    if setting.machine:
        leases.HEARTBEAT, leases.EXPIRY = 0.1, 0.5
        leases.machine = lambda: setting.machine  # type: ignore[assignment]
        locked, utime = leases.locked, os.utime

        def seen(descriptor: int) -> bool:
            owner = leases.owner_of(os.pread(descriptor, 1000, 0))
            return owner.get("machine") == setting.machine and locked(descriptor)

        leases.locked = seen
        os.utime = lambda file: utime(file, (time.time() + setting.clock,) * 2)  # type: ignore[assignment]
    if setting.faults:
        for module, name in ((os, "fsync"), (os, "replace"), (os, "open"), (io, "open")):
            setattr(module, name, failing(getattr(module, name), setting.faults, generator))
        pathlib.Path.write_bytes = torn(pathlib.Path.write_bytes, setting.faults, generator)  # type: ignore[method-assign]


def failing(call: Callable[..., Any], probability: float, generator: random.Random) -> Callable[..., Any]:
    """A system call that sometimes fails instead."""

    def attempt(*arguments: Any, **options: Any) -> Any:
        if generator.random() < probability:
            number = generator.choice((errno.ENOSPC, errno.EIO, errno.EACCES))
            raise OSError(number, os.strerror(number))
        return call(*arguments, **options)

    return attempt


def torn(call: Callable[[Path, bytes], int], probability: float, generator: random.Random) -> Callable[..., int]:
    """A write that sometimes ends in the middle, on a full disk."""

    def attempt(path: Path, content: bytes) -> int:
        if generator.random() < probability:
            with contextlib.suppress(OSError):
                call(path, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return call(path, content)

    return attempt
