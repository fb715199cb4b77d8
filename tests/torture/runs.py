"""Kills of real runs: `python -m bench run` with a tiny model, several at a time on one store, until all is trained.

Then each file that counts is compared with that of a run which nobody disturbed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.store.folders import State, state
from bench.store.integrity import damage
from bench.store.layout import DONE, LEASE
from tests.helpers.encoders import make_bert
from tests.torture.campaign import Count

ROOT = Path(__file__).parents[2]
METHODS = "ce,dimp,real-only,cartography"  # with checkers, frozen states and training dynamics
# Files that are the same in every run. Times and the environment differ, and with them the digests in metrics.json.
SAME = ("predictions.parquet", "train_scores.parquet", "weights.parquet", "history.jsonl", "spec.json")
RESULTS = ("accuracy", "macro_f1", "log_loss", "rows")
POLL, PAUSE = 0.03, 0.6  # seconds between two looks at the store; the longest pause between two kills
KINDS = (*["worker"] * 5, "fork server", "run", "group")  # of kills, chosen with equal chances


def command(seeds: int, encoder: Path) -> list[str]:
    """The run. A worker may be killed any number of times, since the test kills it and not the run's own fault."""
    grid = ["run", "--methods", METHODS, "--tasks", "twitter", "--seeds", str(seeds)]
    how = ["--preset", "smoke", "--encoder", str(encoder), "--workers", "2", "--retries", "1000", "--no-figures"]
    return [sys.executable, "-m", "bench", *grid, *how]


@dataclass
class Runs:
    """Runs on the store `folder/runs`, and what was seen of it."""

    folder: Path
    line: list[str]
    random: random.Random
    parallel: int = 2
    count: Count = field(default_factory=Count)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    published: dict[Path, set[int]] = field(default_factory=dict)  # folder -> times at which its result appeared
    wrong: list[str] = field(default_factory=list)  # ends of runs other than success and a kill

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / "runs"

    def start(self) -> None:
        """One more run, in a session of its own."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
        log = (self.folder / "log.txt").open("ab")
        with log:
            process = subprocess.Popen(
                self.line,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)

    def disturb(self, kills: int) -> None:
        """Kill processes of the runs at random moments, `kills` times or until all is trained; then let them finish."""
        self.folder.mkdir()
        for _ in range(self.parallel):
            self.start()
        while self.running:
            self.watch(self.random.random() * PAUSE)
            self.reap()
            if self.count.kills < kills and self.running:
                self.kill(self.random.choice(self.running), self.random.choice(KINDS))

    def watch(self, seconds: float) -> None:
        """Look at the store for a while: a folder whose result appears twice was computed twice."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for done in (*self.store.glob(f"[!.]*/*/[!.]*/{DONE}"), *self.store.glob(f".artefacts/*/[!.]*/{DONE}")):
                with contextlib.suppress(FileNotFoundError):  # which `check` would notice
                    self.published.setdefault(done.parent, set()).add(done.stat().st_mtime_ns)
            time.sleep(POLL)

    def reap(self) -> None:
        """Start a run again that was killed; note one that ended in another way than with success."""
        for process in list(self.running):
            if (code := process.poll()) is None:
                continue
            self.running.remove(process)
            if code == -signal.SIGKILL:
                self.start()
            elif code != 0:
                self.wrong.append(f"a run ended with exit code {code}: {self.last_line()}")

    def last_line(self) -> str:
        """The last line that a run printed."""
        return ((self.folder / "log.txt").read_text(errors="replace").splitlines() or [""])[-1]

    def kill(self, process: subprocess.Popen[bytes], kind: str) -> None:
        """Send SIGKILL to a run, to its group, to its fork server, or to one of its workers, if there is one."""
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if kind == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                whole = psutil.Process(process.pid)
                servers = [child for child in whole.children() if "forkserver" in " ".join(child.cmdline())]
                workers = [worker for server in servers for worker in server.children()]
                targets = {"run": [whole], "fork server": servers, "worker": workers}[kind]
                if not targets:
                    return
                self.random.choice(targets).kill()
            self.count.kills += 1

    def check(self, whole: Path) -> Count:
        """Compare the store with an undisturbed one. A result is lost that is not done, or was done and is gone."""
        self.watch(POLL)
        for reference in sorted(path.parent for path in whole.rglob(DONE)):
            folder = self.store / reference.relative_to(whole)
            self.count.checked += 1
            self.count.lost += state(folder) is not State.DONE
            self.count.doubled += len(self.published.get(folder, ())) > 1
            self.count.torn += (folder / DONE).exists() and (
                damage(folder) != "" or content(folder) != content(reference)
            )
        self.count.lost += sum(not (folder / DONE).exists() for folder in self.published)
        if left := [path for path in self.store.rglob("*") if path.name == LEASE]:
            self.wrong.append(f"leases stayed: {left[0]}")
        if b"Traceback" in (self.folder / "log.txt").read_bytes():
            self.wrong.append(f"a traceback in {self.folder / 'log.txt'}")
        return self.count


def content(folder: Path) -> dict[str, object]:
    """The files of a finished folder that are the same in every run, and its results."""
    tables = [path for path in folder.glob("*.np[yz]") if path.is_file()]
    files = [folder / name for name in SAME if (folder / name).exists()]
    results = json.loads((folder / DONE).read_text(encoding="utf-8"))
    return {path.name: path.read_bytes() for path in (*files, *tables)} | {name: results.get(name) for name in RESULTS}


def rounds(folder: Path, kills: int, seed: int = 0, seeds: int = 6, parallel: int = 2) -> Iterator[Runs]:
    """Rounds, each with an empty store, until there were `kills` kills or something was wrong."""
    encoder = make_bert(folder / "encoder")
    whole = Runs(folder / "undisturbed", command(seeds, encoder), random.Random(), parallel=1)
    whole.disturb(0)
    yield whole
    number = 0
    while kills > 0 and not whole.wrong:
        number += 1
        runs = Runs(folder / f"round-{number}", whole.line, random.Random(f"{seed} {number}"), parallel)
        runs.disturb(kills)
        runs.check(whole.store)
        kills -= runs.count.kills
        yield runs
        if runs.wrong:
            return
