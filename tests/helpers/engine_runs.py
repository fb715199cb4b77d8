"""A tiny grid on an engine, in this process: what the engine told, and the bytes that it left in the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

from bench.config.request import make_request
from bench.execution.engines.engine import Engine
from bench.execution.limits import Limits
from bench.execution.prepare import make_queue
from bench.execution.queue import Queue
from bench.jobs import Job, Outcome
from bench.planning.planner import make_plan
from bench.store.folders import State
from methods import METHODS, discover, plugins

# Everything but times, versions and logs. metrics.json has digests of timing.json too, so its results alone count.
BYTES = ("predictions.parquet", "train_scores.parquet", "weights.parquet", "history.jsonl", "spec.json")
RESULTS = ("accuracy", "macro_f1", "log_loss", "rows")

# Its process is killed in the first update, once.
KILLED = '''
import os
from dataclasses import dataclass
from pathlib import Path

from methods.base import WeightMethod
from methods.registry import register

@register("killed")
class Killed(WeightMethod):
    """Ends its process."""

    def weights(self, batch):
        flag = Path({flag!r})
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), 9)
        return batch.logp.detach() * 0 + 1

@register("raises")
class Raises(WeightMethod):
    """Raises an exception."""

    def weights(self, batch):
        raise ArithmeticError("of this method")
'''


@dataclass
class Recorder:
    """A watcher that keeps what an engine says."""

    ended: list[tuple[str, str]] = field(default_factory=list)  # title and state of each job
    retries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    nodes: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def tell(self, job: Job, state: State, outcome: Outcome | None) -> None:
        """See `engines.engine.Watcher`."""
        self.ended.append((job.title, str(state)))
        self.outcomes += [outcome] if outcome is not None else []

    def retry(self, job: Job, cause: str) -> None:
        """See `engines.engine.Watcher`."""
        self.retries.append(f"{job.title}: {cause}")

    def pulse(self) -> None:
        """See `engines.engine.Watcher`."""

    def note(self, notes: Iterable[str]) -> None:
        """See `engines.engine.Watcher`."""
        self.notes += notes

    def running_on(self, nodes: Mapping[str, int]) -> None:
        """See `engines.engine.Watcher`."""
        self.nodes = dict(nodes)


@contextmanager
def plugin(folder: Path) -> Iterator[Path]:
    """A file with the methods `killed` and `raises`. Afterwards this process does not have them any more."""
    path = folder / "killed.py"
    path.write_text(KILLED.format(flag=str(folder / "flag")))
    discover()  # what is restored has the methods of the package
    with mock.patch.dict(METHODS), mock.patch.dict(plugins._files):
        yield path


def run_on(engine: Engine, root: Path, encoder: Path, limits: Limits, **options: object) -> tuple[Queue, Recorder]:
    """Run a tiny grid on an engine."""
    request = make_request(encoder=str(encoder), preset="smoke", **{"seeds": 1, **options})  # type: ignore[arg-type]
    queue, watcher = make_queue(make_plan(request, root)), Recorder()
    engine.execute(queue, limits.most or 1, watcher, limits)
    return queue, watcher


def content(root: Path) -> dict[str, object]:
    """The files that count of each finished cell, checkers included, by the id of the cell and the file's name."""
    files: dict[str, object] = {}
    for done in [*root.glob("twitter/*/*/metrics.json"), *root.glob(".artefacts/checker/*/metrics.json")]:
        files |= {f"{done.parent.name} {name}": (done.parent / name).read_bytes() for name in BYTES}
        files[f"{done.parent.name} metrics"] = [json.loads(done.read_text()).get(name) for name in RESULTS]
    return files
