"""A run on a remote store, beside runs of other machines: its heartbeat, and the results that it sends."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from bench.errors import UserError
from bench.remote.contents import Fetched
from bench.remote.job_leases import ASK_AGAIN, JobLeases
from bench.remote.lives import living_runs
from bench.remote.local_copy import LocalCopy
from bench.remote.objects import TransferError
from bench.remote.outage import Outage
from bench.store import leases
from bench.store.folders import State, adopt, forget, has_one_of, state
from bench.store.layout import RUNNING
from bench.store.leases import Life
from tasks.errors import plural

OWN_RUNS = ".remote/runs"  # of the copy: a locked file for each run, by which the next one knows at once which died
BACKGROUND = 8  # results that are sent, and jobs of other runs that are asked for, at a time


class RemoteRun:
    """A run with its copy. The queue asks it before a job is started, and tells it how each one ended."""

    def __init__(self, copy: LocalCopy) -> None:
        self.copy, self.objects = copy, copy.objects
        self.token = secrets.token_hex(8)
        self.alone = False  # whether the store lacks conditional writes, so that one run at a time may use it
        self.leases = JobLeases(copy, self.token)
        self.asked: dict[str, tuple[float, Future[State]]] = {}  # id of a job -> when asked, and the answer
        self.pool = ThreadPoolExecutor(BACKGROUND)
        self.sending: list[Future[None]] = []
        self.unsent: dict[str, str] = {}  # name -> why a result could not be sent
        self.late: dict[str, list[Path]] = {}  # the same names, of results of jobs -> folders to send
        self.outage = Outage(copy.objects.url)
        self.sent: list[str] = []  # names of folders; appended by several threads

    @property
    def notes(self) -> Sequence[str]:
        """A line for each time that the store did not answer."""
        return self.outage.notes

    # The run among others.

    @contextlib.contextmanager
    def registered(self) -> Iterator[list[str]]:
        """Hold the heartbeat in the body, which gets lines on the store. Raises UserError if it cannot be used.

        At the end all leases are given back, and what dead runs have left is removed.
        """
        self.require_writable()
        self.forget_own_dead()
        stop = threading.Event()
        with self.locked():
            self.beat(0)
            thread = threading.Thread(target=self.keep_beating, args=(stop,), daemon=True)
            thread.start()
            try:
                yield self.lines()
            finally:
                stop.set()
                self.pool.shutdown()
                thread.join()
                with contextlib.suppress(TransferError):  # what could not be removed is judged dead by others
                    self.leases.give_all_back()
                    self.objects.remove(f"{RUNNING}/{self.token}")
                    self.leases.sweep()

    def require_writable(self) -> None:
        """Find out whether the store can be written, and whether it creates objects only if they are absent."""
        probe = f".probe/{self.token}"
        if not self.objects.create(probe, b""):
            raise UserError(
                f"{self.objects.url} says that a new object is there already, so no run is safe on it; name another "
                "store with --out"
            )
        self.alone = self.objects.create(probe, b"")
        self.objects.remove(probe)

    def lines(self) -> list[str]:
        """What the user must know of the store. Raises UserError where it bears one run, and another one uses it."""
        if not self.alone:
            return []
        if others := living_runs(self.copy, self.token):
            raise UserError(
                f"{self.objects.url} has no conditional writes, and a run uses it: {others[0]}; wait until that ends"
            )
        return [f"{self.objects.url} has no conditional writes (If-None-Match): only one run at a time is safe on it"]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a locked file of the copy, which says to later commands on this machine that the run lives."""
        path = self.copy.root / OWN_RUNS / self.token
        with leases.exclusive(self.copy.root):
            leases.take(self.copy.root, path)
        with leases.renewing(path):
            yield

    def forget_own_dead(self) -> None:
        """Remove the heartbeats of runs with this copy whose process has ended: their leases end at once."""
        with leases.exclusive(self.copy.root):
            paths = sorted((self.copy.root / OWN_RUNS).glob("[!.]*"))
            dead = [path for path in paths if leases.life(path) is Life.DEAD]
        for path in dead:
            self.objects.remove(f"{RUNNING}/{path.name}")
            path.unlink(missing_ok=True)

    def keep_beating(self, stop: threading.Event) -> None:
        """Change the heartbeat object until told to stop. A failure is made good by the next one."""
        count = 0
        while not stop.wait(leases.HEARTBEAT):
            count += 1
            with contextlib.suppress(TransferError):
                self.beat(count)

    def beat(self, count: int) -> None:
        """Write the heartbeat object."""
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "beat": count}
        self.objects.write(f"{RUNNING}/{self.token}", json.dumps(owner).encode())

    # What the queue asks.

    def take(self, folder: Path, other: Path | None, replaces: Collection[str] = ()) -> bool:
        """Whether this run may compute a job. False if another run does, or did: then its result is in the copy.

        False as well while the store does not answer. The results `replaces` are removed from the copy before, and from
        the store as soon as it is asked for the job.
        """
        if folder.name in self.leases.held:
            return True
        for path in filter(None, (folder, other)):
            if has_one_of(path, replaces):
                self.copy.forget(self.copy.name(path))
                forget(path)
        return self.outage.ask(lambda: self.take_now(folder, other), otherwise=False)

    def take_now(self, folder: Path, other: Path | None) -> bool:
        """`take`. Raises TransferError, and then this run does not have the lease."""
        identity = folder.name
        if not self.leases.acquire(identity):
            return False
        try:
            if self.fetch_result(folder, other):
                self.leases.give_back(identity)
                return False
        except TransferError:
            self.leases.held.pop(identity, None)
            raise
        for path in filter(None, (folder, other)):
            if state(path) not in (State.DONE, State.FAILED):
                self.copy.write_note(self.copy.name(path), "")  # on a result that is damaged here, and no more there
        return True

    def fetch_result(self, folder: Path, other: Path | None) -> bool:
        """Whether the remote store has a result of a job, which is then in the copy. A damaged one is removed."""
        paths = [folder, *([other] if other is not None else [])]
        names = [self.copy.name(path) for path in paths]
        for name in names:
            self.copy.remove(name)  # if it was forgotten
        for path, name, there in zip(paths, names, self.copy.there_of(names), strict=True):
            if there.done is None and (there.failed is None or path is other):
                continue
            if state(path) not in (State.DONE, State.FAILED if there.done is None else State.DONE):
                self.copy.fetch_one(name, there, arrived := Fetched())
                if name in arrived.damaged:
                    self.copy.forget(name)
                    self.copy.remove(name)
                    continue
            if path is other:
                adopt(path, folder, self.copy.root)
            return True
        return False

    def last_state(self, folder: Path, other: Path | None) -> State:
        """The state of a job that another run computes, by the last answer: the caller waits for no new one."""
        own = state(folder)
        if own in (State.DONE, State.FAILED, State.RUNNING):
            return own
        now = time.monotonic()
        begun, last = self.asked.get(folder.name, (-ASK_AGAIN, None))
        if last is not None and last.done() and (found := last.result()) is not State.RUNNING:
            del self.asked[folder.name]
            return found
        if now - begun >= ASK_AGAIN and (last is None or last.done()):
            answer = self.pool.submit(
                self.outage.ask, lambda: self.state_elsewhere(folder, other), otherwise=State.RUNNING
            )
            self.asked[folder.name] = (now, answer)
        return State.RUNNING

    def state_elsewhere(self, folder: Path, other: Path | None) -> State:
        """`done` or `failed`, and the result is in the copy; `running`; or `stale` if no run computes the job."""
        if self.fetch_result(folder, other):
            return state(folder)
        return State.RUNNING if self.leases.held_elsewhere(folder.name) else State.STALE

    def ended(self, folders: Sequence[Path]) -> None:
        """Send the results of a job that this run computed, the first of which is its own, and give its lease back."""
        if folders[0].name in self.leases.held:
            self.sending.append(self.pool.submit(self.send, [*folders]))

    def send(self, folders: list[Path]) -> None:
        """`ended`, in a thread of its own."""
        name = self.copy.name(folders[0])
        try:
            for folder in folders[::-1]:
                own = self.copy.name(folder)
                if self.copy.unsent(own) and self.copy.send_one(own):
                    self.sent.append(own)
            self.leases.give_back(folders[0].name)
            self.unsent.pop(name, None)
        except TransferError as error:
            self.unsent[name], self.late[name] = str(error), folders
            return
        for late in [self.late.pop(name, None) for name in list(self.late)]:
            if late is not None:  # the store answers again
                self.sending.append(self.pool.submit(self.send, late))

    def send_rest(self) -> None:
        """Send all that the remote store lacks, once the results are sent; what the command forgot is removed there."""
        for one in self.sending:  # may grow
            one.result()
        self.sending.clear()
        try:
            self.sent += self.copy.send()
            self.unsent.clear()
        except TransferError as error:
            self.unsent.setdefault("", str(error))

    def summary(self) -> Iterator[str]:
        """What became of the results, in lines."""
        if self.sent:
            yield f"{self.objects.url}: {plural(len(self.sent), 'folder')} sent"
        if self.objects.repeated:
            yield f"{self.objects.url}: {plural(self.objects.repeated, 'request')} repeated, since they failed"
        if self.unsent:
            cause = next(iter(self.unsent.values()))
            yield f"not everything could be sent ({cause}); {self.copy.root} keeps it, and the same command sends it"
