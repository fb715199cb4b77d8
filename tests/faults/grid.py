"""The grid that faults disturb: many tiny cells, the command that trains them, and what must hold of the store."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.conftest import ROOT
from tests.helpers.encoders import make_bert
from tests.helpers.engine_runs import content

METHODS = "ce,real-only,focal,dimp,imp,superloss"
SEEDS = 10  # with six methods, 60 cells


class Grid:
    """A grid in a folder; each engine has a store of its own there."""

    def __init__(self, folder: Path, methods: str = METHODS, seeds: int = SEEDS, updates: int = 8) -> None:
        self.folder, self.methods, self.seeds, self.updates = folder, methods, seeds, updates
        self.encoder = make_bert(folder / "encoder")
        self.disturbed: list[str] = []  # what was done to the runs, in order

    @property
    def size(self) -> int:
        """The number of cells."""
        return self.seeds * len(self.methods.split(","))

    def store(self, name: str) -> Path:
        """The store of an engine."""
        return self.folder / name

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """The command on an engine, in a session of its own; its output goes to `NAME.log`."""
        command = [
            *(sys.executable, "-m", "bench", "run", "--methods", self.methods, "--seeds", str(self.seeds)),
            *(
                "--preset",
                "smoke",
                "--updates",
                str(self.updates),
                "--encoder",
                str(self.encoder),
                "--no-figures",
                "--retries",
                "3",
            ),
            *("--out", str(self.store(name)), "--reports", str(self.folder / f"reports-{name}"), *options),
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline"}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def undisturbed(self) -> None:
        """The same grid on the local engine."""
        if self.start("local", "--workers", "2").wait() != 0:
            raise SystemExit(f"the undisturbed run failed: {self.log('local')[-500:]}")

    def log(self, name: str) -> str:
        """What the commands on an engine printed."""
        return (self.folder / f"{name}.log").read_text("utf-8")

    def cells(self, name: str) -> list[str]:
        """The finished cells of a store, without checkers."""
        return [path.parent.name for path in self.store(name).glob("[!.]*/*/*/metrics.json")]

    def wait(self, name: str, share: float, process: subprocess.Popen[bytes]) -> None:
        """Wait until a share of the cells is done. Raises SystemExit if the command ends before."""
        wanted = share * self.size
        while len(self.cells(name)) < wanted:
            if process.poll() is not None and len(self.cells(name)) < wanted:
                raise SystemExit(f"{name} ended with {process.returncode}: {self.log(name)[-1500:]}")
            time.sleep(0.2)

    def disturb(self, what: str, action: Callable[[], object]) -> None:
        """Do something to a run, and note it."""
        action()
        self.disturbed.append(what)
        print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill the command, without any of its children."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def problems(self, name: str) -> list[str]:
        """What must not be in the store after a run."""
        found = []
        expected, cells = content(self.store("local")), Counter(self.cells(name))
        if cells != Counter(self.cells("local")):
            found.append(f"{len(cells)} cells, not the {len(self.cells('local'))} of the undisturbed run")
        own = content(self.store(name))
        found += [f"{key} differs from the undisturbed run" for key, value in expected.items() if own.get(key) != value]
        found += [f"a lease is left: {path}" for path in self.store(name).glob("**/lease")]
        told = Counter(
            line.partition("done   ")[2].partition("  ")[0]
            for line in self.log(name).splitlines()
            if "] done   " in line and "trained by another run" not in line
        )
        found += [f"{title} was reported done {times} times" for title, times in told.items() if times > 1]
        return found + (["the leaderboard differs"] if self.leaderboard(name) != self.leaderboard("local") else [])

    def leaderboard(self, name: str) -> list[dict[str, str]]:
        """The rows of the report on a store, without seconds."""
        with (self.folder / f"reports-{name}" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
            rows = [*csv.DictReader(file)]
        return [{key: value for key, value in row.items() if not key.startswith("seconds")} for row in rows]

    def summary(self, name: str) -> str:
        """The counts of a run without problems."""
        retries = sum("] retry  " in line for line in self.log(name).splitlines())
        files = len(content(self.store(name)))
        return (
            f"{len(self.cells(name))} cells once and whole, {files} results as in the undisturbed run, no lease left, "
            f"the same leaderboard; {retries} jobs run again after {', '.join(self.disturbed)}"
        )
