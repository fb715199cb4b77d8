"""What the jobs of a plan cost: rows passed, seconds and bytes, from finished cells of the store where there are any.

A finished cell says how many rows it passed forward and backward and how long it took. Their ratio, for cells with the
same encoder, trained layers and task on this kind of device, gives the seconds of a planned cell from the rows that it
will pass. Without such cells the estimate counts operations (`bench.planning.estimate`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import UserError
from bench.jobs import CellJob, EmbeddingsJob, Job, StatesJob, TokensJob
from bench.planning import estimate
from bench.store.files import read_json
from bench.store.layout import DONE, SPEC, TIMING, VERSIONS
from bench.store.schemas import Environment, Spec, Timing
from tasks.errors import plural

BACKWARD = 2  # a backward pass costs as much as so many forward passes
MOST = 300  # newest finished cells of a store that are read
TOKENISED = 3_000.0  # rows that are tokenised in a second
BYTES_PER_ROW = 7  # of a cell's tables, per test row, scored row and generated row
CELL_BYTES = 5_000  # of a cell's other files
NUMBER = 4  # bytes

Key = tuple[str, ...]  # encoder's hash, trained layers, and the task or nothing


@dataclass(frozen=True)
class Measured:
    """What finished cells of a store cost: seconds per row passed, by key; `cells`: how many were read, of `of`."""

    per_row: Mapping[Key, float] = field(default_factory=dict)
    cells: int = 0
    of: int = 0

    def seconds_per_row(self, job: CellJob) -> float | None:
        """Seconds per row passed of a job like those measured; those of the same task if there are any."""
        key = key_of(job.spec.encoder_hash, job.spec.settings)
        return self.per_row.get((*key, job.spec.task), self.per_row.get(key))

    @property
    def text(self) -> str:
        """Where the costs come from."""
        if not self.cells:
            return "counted from parameters, tokens and updates: no finished cell of the store has a measured cost"
        newest = f"the {self.cells} newest of " if self.cells < self.of else ""
        return f"measured on {newest}{plural(self.of, 'finished cell')} of the store"


@dataclass(frozen=True)
class Cost:
    """Of one job: rows passed (forward ones, a backward one counts twice), seconds on one worker, bytes written.

    `measured`: whether the seconds come from finished cells.
    """

    rows: float = 0.0
    seconds: float = 0.0
    size: float = 0.0
    measured: bool = False


def key_of(encoder_hash: str, settings: Mapping[str, Any]) -> Key:
    """What cells must share for their rows to cost the same."""
    return encoder_hash, str(settings.get("train_layers")), str(settings.get("precision"))


def measure(root: Path, gpu: bool) -> Measured:
    """The costs of the newest finished cells of a store, on the device that the newest one on a GPU, or CPU, has."""
    paths = [path.parent for path in root.glob(f"[!.]*/*/*/{TIMING}") if (path.parent / DONE).is_file()]
    newest = sorted(paths, key=lambda path: -(path / DONE).stat().st_mtime_ns)[:MOST]
    rows: defaultdict[Key, float] = defaultdict(float)
    seconds: defaultdict[Key, float] = defaultdict(float)
    device, cells = "", 0
    for folder in newest:
        try:
            spec, timing = read_json(folder / SPEC, Spec), read_json(folder / TIMING, Timing)
            environment = read_json(folder / VERSIONS, Environment)
        except (UserError, OSError):
            continue  # a damaged cell is reported where it is used
        passed, own = rows_passed(timing.get("passes", {})), str(environment.get("device"))
        if own.startswith("cpu") != gpu and passed and timing.get("seconds"):
            device = device or own
        if own != device or not passed or not timing.get("seconds"):
            continue
        cells += 1
        key = key_of(str(spec.get("encoder_hash")), spec["settings"])
        for place in (key, (*key, spec["task"])):
            rows[place] += passed
            seconds[place] += timing["seconds"]
    return Measured({key: seconds[key] / rows[key] for key in rows}, cells, len(paths))


def rows_passed(passes: Mapping[str, float | None]) -> float:
    """Rows of a finished cell: forward, backward (twice), and scored; an entry that is null counts as absent."""
    known = {name: rows for name, rows in passes.items() if rows is not None}
    forward = known.get("forward_rows", known.get("train_rows", 0.0))
    return forward + BACKWARD * known.get("backward_rows", forward) + known.get("score_rows", 0.0)


def planned_rows(job: CellJob) -> float:
    """Rows that a cell will pass, counted as in `rows_passed`."""
    steps = job.spec.settings["updates"] * job.spec.settings["batch_size"]
    snapshots = job.snapshots.count if job.snapshots else 0
    scored = (1 + snapshots) * len(job.scored.ids) + len(job.test.ids)
    return float((1 + BACKWARD) * steps * estimate.cost(job) + scored)


def costs(jobs: Iterable[Job], everything: Iterable[Job], measured: Measured) -> dict[str, Cost]:
    """The cost of each job by its id; `everything` is the plan they belong to."""
    jobs, everything = list(jobs), list(everything)
    counted = estimate.each(jobs, everything)
    tables = [job for job in everything if isinstance(job, TokensJob)]
    tokens = {job.folder: estimate.tokens_per_row(job) * len(job.texts) for job in tables}
    rows = {job.folder: len(job.texts) for job in tables}
    own = {name: cell_cost(cell, counted[name], measured) for name, cell in estimate.trained_cells(jobs).items()}
    speeds = [counted[name] / cost.seconds for name, cost in own.items() if cost.measured and cost.seconds]
    speed = sum(speeds) / len(speeds) if speeds else 1.0  # of this machine, against the one that `estimate` supposes
    return {job.id: own.get(job.id) or table_cost(job, counted[job.id] / speed, tokens, rows) for job in jobs}


def cell_cost(job: CellJob, counted: float, measured: Measured) -> Cost:
    """The cost of a training; `counted`: its seconds if nothing was measured."""
    rows, per_row = planned_rows(job), measured.seconds_per_row(job)
    written = len(job.test.ids) + len(job.scored.ids) + len(job.generated.ids)
    model = model_bytes(job) if job.keep else 0.0
    seconds = counted if per_row is None else rows * per_row
    return Cost(rows, seconds, CELL_BYTES + BYTES_PER_ROW * written + model, per_row is not None)


def model_bytes(job: CellJob) -> float:
    """Bytes of the weights that a cell keeps: those of its encoder, or, of trained weights alone, of its blocks."""
    if job.keep == "trained":
        return NUMBER * estimate.size(job.checkpoint.path)[0]
    return float(sum(file.stat().st_size for file in job.checkpoint.path.glob("*.safetensors")))


def table_cost(job: Job, seconds: float, tokens: Mapping[Path, float], rows: Mapping[Path, int]) -> Cost:
    """The cost of a job that is no training: rows and bytes of the tables that grow with the rows."""
    if isinstance(job, TokensJob):
        return Cost(0.0, rows[job.folder] / TOKENISED, 2 * NUMBER * tokens[job.folder])
    if isinstance(job, StatesJob):
        stored = estimate.states_stored(job.folder, job.checkpoint, tokens[job.tokens])
        written = NUMBER * estimate.width(job.checkpoint.path) * tokens[job.tokens] if stored else 0.0
        return Cost(rows[job.tokens] if stored else 0.0, seconds, written)
    if isinstance(job, EmbeddingsJob):
        return Cost(rows[job.tokens], seconds, NUMBER * estimate.width(job.checkpoint.path) * rows[job.tokens])
    return Cost(0.0, seconds)
