"""Whether the runs on a remote store live, by their heartbeat objects."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from bench.remote.local_copy import LocalCopy
from bench.store import leases
from bench.store.files import parse_json
from bench.store.layout import RUNNING
from bench.store.leases import Life


def life_of(copy: LocalCopy, run: str) -> Life | None:
    """Whether a run lives, as far as this process has watched it; None if it has ended. A dead one is forgotten."""
    content = copy.objects.read(f"{RUNNING}/{run}")
    if content is None:
        return None
    life = leases.watch(Path(f"{copy.objects.url}/{run}"), (run, hash(content)))
    if life is Life.DEAD:
        copy.objects.remove(f"{RUNNING}/{run}")
    return life


def living_runs(copy: LocalCopy, own: str = "") -> list[str]:
    """The living runs on a remote store but one's own, as users read them, after `EXPIRY` seconds if need be."""
    tokens = [name.rpartition("/")[2] for name in copy.objects.listing([RUNNING])]
    lives = {token: life_of(copy, token) for token in tokens if token != own}
    while Life.UNKNOWN in lives.values():
        time.sleep(1)
        lives = {token: life_of(copy, token) for token in lives}
    return [described(copy, token) for token, life in lives.items() if life is Life.ALIVE]


def described(copy: LocalCopy, run: str) -> str:
    """A run as users read it: `process 12 of host`."""
    with contextlib.suppress(ValueError, TypeError):
        owner = dict(parse_json(copy.objects.read(f"{RUNNING}/{run}") or b""))
        return f"process {owner.get('pid')} of {owner.get('host')}"
    return f"run {run}"
