"""Leases on the jobs of a remote store: objects by which runs of several machines share the jobs of a grid.

A lease is an object that is created if absent, so of two runs one gets it. It names a run, and counts as long as that
run changes its heartbeat object, at least once in `EXPIRY` seconds by the clock of whoever watches; clocks of machines
are never compared. The lease of a dead run is taken over by creating its successor, whose name holds the id of the dead
one. Leases save work. They do not protect results: an archive is created only if it is absent.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from typing import Any

from bench.remote.lives import life_of
from bench.remote.local_copy import LocalCopy
from bench.store.files import parse_json
from bench.store.layout import RUNNING
from bench.store.leases import Life

LEASES = ".leases"
ASK_AGAIN = 5.0  # seconds until the store is asked again for a run, or for what one computes


class JobLeases:
    """The leases of one run, named by its token, and what it knows of those of other runs."""

    def __init__(self, copy: LocalCopy, token: str) -> None:
        self.copy, self.objects, self.token = copy, copy.objects, token
        self.held: dict[str, str] = {}  # id of a job -> the object of its lease
        self.lives: dict[str, tuple[float, bool]] = {}  # run -> when its life was last asked for, and whether it lives

    def acquire(self, identity: str) -> bool:
        """Take the lease of a job. False if another run has it."""
        own = json.dumps({"run": self.token, "id": secrets.token_hex(4)}).encode()
        name = f"{LEASES}/{identity}"
        if not self.objects.create(name, own):
            names, owner = self.last_lease(identity)
            name = names[-1]
            if self.is_other(owner) or not self.objects.create(name, own):
                return False
        self.held[identity] = name
        return True

    def give_back(self, identity: str) -> None:
        """Remove the lease of a job, and those of dead runs before it."""
        if self.held.pop(identity, None) is not None:
            names, owner = self.last_lease(identity)
            for name in names[:-1] if owner is not None and owner["run"] == self.token else ():
                self.objects.remove(name)

    def give_all_back(self) -> None:
        """Remove every lease of this run."""
        for identity in list(self.held):
            self.give_back(identity)

    def held_elsewhere(self, identity: str) -> bool:
        """Whether another living run has the lease of a job. This run may have it where the answer was lost."""
        return self.is_other(self.last_lease(identity)[1])

    def sweep(self) -> None:
        """Remove the leases of runs that are no more: a run that died after it sent a result has left one."""
        left = [*self.objects.listing([LEASES])]  # before the runs: each of these leases has had its run by now
        runs = {name.rpartition("/")[2] for name in self.objects.listing([RUNNING])}
        alive = {job_of(name) for name in left if (self.owner(name) or {}).get("run") in runs}
        for name in left:
            if job_of(name) not in alive:  # of a chain, the first ones may be dead
                self.objects.remove(name)

    def owner(self, name: str) -> dict[str, Any] | None:
        """The content of a lease; None if there is none."""
        content = self.objects.read(name)
        with contextlib.suppress(ValueError, TypeError):
            return None if content is None else {"run": "", "id": "", **parse_json(content)}
        return {"run": "", "id": ""}

    def last_lease(self, identity: str) -> tuple[list[str], dict[str, Any] | None]:
        """The objects of a job's lease, the last of which is still free, and the owner of the one before it."""
        names, owner = [f"{LEASES}/{identity}"], None
        while (found := self.owner(names[-1])) is not None:
            owner = found
            names.append(f"{LEASES}/{identity}.{owner['id']}")
        return names, owner

    def is_other(self, owner: dict[str, Any] | None) -> bool:
        """Whether the owner of a lease is another run that lives, as far as this one has watched it.

        A dead one is forgotten for everybody.
        """
        if owner is None or owner["run"] == self.token:
            return False
        asked, alive = self.lives.get(owner["run"], (-ASK_AGAIN, True))
        if time.monotonic() - asked >= ASK_AGAIN:
            alive = life_of(self.copy, owner["run"]) not in (None, Life.DEAD)
            self.lives[owner["run"]] = (time.monotonic(), alive)
        return alive


def job_of(lease: str) -> str:
    """The id of the job that a lease is about, from the name of its object."""
    return lease.rpartition("/")[2].partition(".")[0]
