"""A campaign: writers share a store, are killed and stopped, and the store is cleaned; then its cells are counted."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from bench.commands.stores.clean import clean
from bench.errors import UserError
from bench.store.folders import State, state
from bench.store.integrity import damage
from bench.store.layout import DONE
from tests.torture.writer import Setting, cells, write

NEW_PID = 0x20000000  # CLONE_NEWPID
SMALL, LARGE = "200k", "20m"  # a tmpfs that fills, and one that does not


class NotPermittedError(Exception):
    """This machine does not permit the attack."""


@dataclass
class Count:
    """What a campaign found. `lost`: finished and gone, never finished, or without a table that it needs; `doubled`:
    published twice; `torn`: finished, with files that are not those of one attempt."""

    checked: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0
    kills: int = 0
    stops: int = 0
    refused: int = 0  # calls of `clean` that were refused
    cleaned: int = 0  # calls of `clean` that removed what they could

    def __add__(self, other: Count) -> Count:
        names = [entry.name for entry in fields(self)]
        return Count(*(getattr(self, name) + getattr(other, name) for name in names))

    def line(self) -> str:
        """The summary."""
        return f"cells checked {self.checked}, lost {self.lost}, doubled {self.doubled}, torn {self.torn}"


@dataclass
class Campaign:
    """Writers with their settings, and how often a process is killed, stopped for a moment, or the store cleaned."""

    name: str
    settings: Sequence[Setting] = (Setting(), Setting(), Setting())
    kills: bool = True
    stops: float = 0.0  # seconds that a process stays stopped
    cleans: bool = True
    fills: bool = False  # whether the store is on a tmpfs that is too small at first
    cells: int = 40


@dataclass
class Round:
    """One store with its writers."""

    campaign: Campaign
    folder: Path
    random: random.Random
    count: Count = field(default_factory=Count)
    pids: dict[int, Setting] = field(default_factory=dict)
    done: set[Path] = field(default_factory=set)

    @property
    def root(self) -> Path:
        """The store."""
        return self.folder / "runs"

    def run(self, attacks: int) -> Count:
        """`attacks` attacks, as long as there is work; then the writers finish alone, and everything is checked."""
        for setting in self.campaign.settings:
            self.start(setting)
        while self.pids:
            time.sleep(self.random.random() * 0.04)
            self.reap()
            if attacks and self.pids:
                attacks -= 1
                self.attack()
            self.look()
            if not attacks and self.campaign.fills:
                subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(self.folder)], check=True)
        self.look()
        return self.check()

    def start(self, setting: Setting) -> None:
        """A writer, in a process forked from this one."""
        seed = self.random.randrange(2**32)
        if (pid := os.fork()) == 0:
            code = 1
            try:
                if not setting.namespace or second_fork():
                    write(self.root, self.folder.with_suffix(".journal"), self.campaign.cells, setting, seed)
                code = 0
            finally:
                os._exit(code)
        self.pids[pid] = setting

    def reap(self) -> None:
        """Start a writer in place of each one that was killed."""
        for pid, setting in list(self.pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.pids[pid]
                if status != 0:
                    self.start(setting)

    def attack(self) -> None:
        """Kill a writer, stop it for a moment, or clean the store."""
        pid = self.random.choice(list(self.pids))
        kinds = ["kill"] * self.campaign.kills + ["stop"] * bool(self.campaign.stops) + ["clean"] * self.campaign.cleans
        kind = self.random.choice(kinds)
        if kind == "kill":
            os.kill(pid, signal.SIGKILL)
            self.count.kills += 1
        elif kind == "stop":
            os.kill(pid, signal.SIGSTOP)
            time.sleep(self.campaign.stops)
            os.kill(pid, signal.SIGCONT)
            self.count.stops += 1
        else:
            try:
                list(clean(self.root, failed=False, remove=True))
                self.count.cleaned += 1
            except UserError:
                self.count.refused += 1

    def look(self) -> None:
        """Note which cells are finished: what was finished once must stay so."""
        for folder in cells(self.root, self.campaign.cells):
            if (folder / DONE).exists():
                self.done.add(folder)

    def check(self) -> Count:
        """The count, after all writers have ended."""
        journal = self.folder.with_suffix(".journal").read_text().split("\n")
        published = Counter(journal)
        finished = {folder for folder in self.done if (folder / DONE).exists()}
        everything = cells(self.root, self.campaign.cells)
        self.count.checked = len(everything)
        self.count.lost = sum(state(folder) is not State.DONE for folder in {*everything, *self.done} - finished)
        self.count.lost += sum(line.startswith("missing") for line in journal)
        self.count.doubled = sum(published[f"done {folder.name}"] > 1 for folder in everything)
        self.count.torn = sum(damage(folder) != "" for folder in finished)
        return self.count


def second_fork() -> bool:
    """Whether this is the process to work in: the first of a new PID namespace. The other one waits, and ends alike."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEW_PID) != 0:
        raise NotPermittedError(f"a new PID namespace: {os.strerror(ctypes.get_errno())}")
    if (pid := os.fork()) == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a kill of the outer process reaches this one
        return True
    os._exit(0 if os.waitpid(pid, 0)[1] == 0 else 1)


@contextlib.contextmanager
def place(campaign: Campaign, folder: Path) -> Iterator[None]:
    """An empty folder for a store, on a small tmpfs for a campaign in which the disk fills."""
    folder.mkdir(parents=True)
    if campaign.fills:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode:
            raise NotPermittedError(done.stderr.strip())
    try:
        yield
    finally:
        if campaign.fills:
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


def run(campaign: Campaign, folder: Path, attacks: int, seed: int = 0) -> Count:
    """Rounds of a campaign, each with a store of its own, until there were `attacks` attacks.

    Raises NotPermittedError.
    """
    if any(setting.namespace for setting in campaign.settings) and not may_unshare():
        raise NotPermittedError("a new PID namespace")
    total = Count()
    for number in range(attacks):
        here = folder / f"{campaign.name}-{number}"
        with place(campaign, here):
            left = attacks - total.kills - total.stops - total.cleaned - total.refused
            total += Round(campaign, here, random.Random(f"{campaign.name} {seed} {number}")).run(left)
        if total.kills + total.stops + total.cleaned + total.refused >= attacks:
            break
    return total


def may_unshare() -> bool:
    """Whether this process may create PID namespaces."""
    if (pid := os.fork()) == 0:
        os._exit(int(ctypes.CDLL(None).unshare(NEW_PID) != 0))
    return os.waitpid(pid, 0)[1] == 0
