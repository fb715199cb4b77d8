"""What the jobs of a plan cost: rows passed, seconds and bytes, from finished cells of the store where there are any.

A finished cell says how many rows it passed forward and backward and how long it took. Cells with the same generated
rows give the seconds of a row. Cells with the same encoder that read other texts, or train other layers, give the
seconds of an operation, and the operations of a planned cell are counted (`bench.planning.estimate`). Without such
cells its seconds are counted too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import UserError
from bench.jobs import CellJob, EmbeddingsJob, Job, StatesJob, TokensJob
from bench.planning import estimate
from bench.store.files import read_json
from bench.store.layout import DONE, IDENTITY, SPEC, TIMING, VERSIONS, precomputed_path
from bench.store.schemas import Environment, Spec, Timing
from tasks.errors import plural

MOST = 300  # newest finished cells of a store that are read
TOKENISED = 3_000.0  # rows that are tokenised in a second
BYTES_PER_ROW = 7  # of a cell's tables, per test row, scored row and generated row
CELL_BYTES = 5_000  # of a cell's other files
NUMBER = 4  # bytes
ROUGH = "counted from parameters, tokens and updates; machines differ by a factor of 3"


class Kind(NamedTuple):
    """What the cost of a cell's rows depends on."""

    encoder: str  # hash
    precision: str
    layers: str  # that train
    texts: str  # the table with the tokens of its generated rows
    source: str  # which rows it trains on: generated ones, real ones or both

    @property
    def blocks(self) -> bool:
        """Whether blocks of the encoder train, and not a head on embeddings alone."""
        return self.layers == "all" or (self.layers.isdecimal() and int(self.layers) > 0)


@dataclass(frozen=True)
class Finished:
    """A finished cell: its seconds, the rows that it passed, and the tokens of a generated row.

    `tokens` is None where the operations of the cell cannot be counted by it.
    """

    id: str
    kind: Kind
    seconds: float
    rows: float
    tokens: float | None


@dataclass(frozen=True)
class Rate:
    """Seconds per row passed, or per operation in blocks that train, in finished cells (their ids)."""

    seconds: float
    cells: frozenset[str]
    of_rows: bool


@dataclass(frozen=True)
class Measured:
    """The newest finished cells of a store that have a measured cost, and the rates that they give."""

    cells: Sequence[Finished] = ()
    rates: dict[Kind, Rate | None] = field(default_factory=dict)

    def rate(self, job: CellJob) -> Rate | None:
        """The rate of a cell like `job`; None if there is none."""
        spec = job.spec
        kind = kind_of(spec.encoder_hash, spec.settings, spec.data, spec.hyperparameters)
        if kind not in self.rates:
            self.rates[kind] = self.find(kind, job.checkpoint.path)
        return self.rates[kind]

    def find(self, kind: Kind, encoder: Path) -> Rate | None:
        """The rate of the cells that are most like those of a kind; `encoder` is the folder of its encoder.

        Embeddings are computed before: a row of a head on them costs the same whatever its text.
        """
        alike = [cell for cell in self.cells if cell.kind[:2] == kind[:2]]
        same = [cell for cell in alike if cell.kind.layers == kind.layers]
        own = [cell for cell in same if cell.kind == kind] or ([] if kind.blocks else same)
        if own or not kind.blocks:
            return rate(own, [cell.rows for cell in own], of_rows=True)
        countable = [cell for cell in same if cell.tokens] or [cell for cell in alike if cell.tokens]
        passed = [(cell.kind.layers, cell.rows * (cell.tokens or 0.0)) for cell in countable]
        return rate(countable, [estimate.of_trained_blocks(encoder, *one) for one in passed], of_rows=False)


def rate(cells: Sequence[Finished], units: Sequence[float], *, of_rows: bool) -> Rate | None:
    """Seconds per unit in some cells; None without any."""
    if not cells:
        return None
    return Rate(sum(cell.seconds for cell in cells) / sum(units), frozenset(cell.id for cell in cells), of_rows)


@dataclass(frozen=True)
class Cost:
    """Of one job: rows passed (forward ones, a backward one counts twice), seconds on one worker, bytes written.

    `rate`: the one of finished cells that gives the seconds of a training; None where these are counted.
    """

    rows: float = 0.0
    seconds: float = 0.0
    size: float = 0.0
    rate: Rate | None = None


def basis(costs: Mapping[str, Cost], trainings: Collection[str]) -> str:
    """Where the seconds of some trainings come from."""
    rates = [rate for name in trainings if (rate := costs[name].rate)]
    if not rates:
        return ROUGH
    cells = frozenset[str]().union(*{rate.cells for rate in rates})
    other = "" if all(rate.of_rows for rate in rates) else ", with other texts or layers"
    text = f"measured on {plural(len(cells), 'finished cell')} of the store{other}"
    if len(rates) == len(trainings):
        return text
    return f"{text}, for {len(rates):,} of {plural(len(trainings), 'training')}; the rest is {ROUGH}"


def measure(root: Path, gpu: bool) -> Measured:
    """The newest finished cells of a store, on the device that the newest one on a GPU, or CPU, has."""
    paths = [path.parent for path in root.glob(f"[!.]*/*/*/{TIMING}") if (path.parent / DONE).is_file()]
    newest = sorted(paths, key=lambda path: -(path / DONE).stat().st_mtime_ns)[:MOST]
    lengths: dict[str, float | None] = {}  # tokens of a row, by table
    device, cells = "", list[Finished]()
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
        kind = kind_of(spec.get("encoder_hash"), spec["settings"], spec["data"], spec["hyperparameters"])
        if kind.texts not in lengths:
            lengths[kind.texts] = mean_tokens(root, kind.texts)
        # Of real rows the length is not known. Where states are not stored, a cell passes frozen blocks too.
        countable = kind.blocks and kind.source != "real" and not timing.get("computed_states")
        tokens = lengths[kind.texts] if countable else None
        cells.append(Finished(spec["id"], kind, timing["seconds"], passed, tokens))
    return Measured(cells)


def kind_of(encoder: Any, settings: Mapping[str, Any], data: Mapping[str, Any], choices: Mapping[str, Any]) -> Kind:
    """The kind of a cell, from its specification; `choices` are its hyperparameters."""
    precision, layers = str(settings.get("precision")), str(settings.get("train_layers"))
    return Kind(str(encoder), precision, layers, str(data.get("scored")), str(choices.get("train_on")))


def mean_tokens(root: Path, table: str) -> float | None:
    """The tokens of a mean row of a table; None where the table is not there, as in a store that was imported."""
    try:
        counts = read_json(precomputed_path(root, TokensJob.kind, table) / DONE) if IDENTITY.fullmatch(table) else {}
    except (UserError, OSError):
        return None
    rows, tokens = counts.get("rows"), counts.get("tokens")
    return tokens / rows if isinstance(rows, int) and isinstance(tokens, int) and rows > 0 else None


def rows_passed(passes: Mapping[str, float | None]) -> float:
    """Rows of a finished cell: forward, backward (twice), and scored; an entry that is null counts as absent."""
    known = {name: rows for name, rows in passes.items() if rows is not None}
    forward = known.get("forward_rows", known.get("train_rows", 0.0))
    return forward + estimate.BACKWARD * known.get("backward_rows", forward) + known.get("score_rows", 0.0)


def planned_rows(job: CellJob) -> float:
    """Rows that a cell will pass, counted as in `rows_passed`."""
    steps = job.spec.settings["updates"] * job.spec.settings["batch_size"]
    snapshots = job.snapshots.count if job.snapshots else 0
    scored = (1 + snapshots) * len(job.scored.ids) + len(job.test.ids)
    return float((1 + estimate.BACKWARD) * steps * estimate.cost(job) + scored)


def costs(jobs: Iterable[Job], everything: Iterable[Job], measured: Measured) -> dict[str, Cost]:
    """The cost of each job by its id; `everything` is the plan they belong to."""
    jobs, everything = list(jobs), list(everything)
    counted = estimate.each(jobs, everything)
    tables = [job for job in everything if isinstance(job, TokensJob)]
    tokens = {job.folder: estimate.tokens_per_row(job) * len(job.texts) for job in tables}
    rows = {job.folder: len(job.texts) for job in tables}
    own = {name: cell_cost(cell, counted[name], measured) for name, cell in estimate.trained_cells(jobs).items()}
    speeds = [counted[name] / cost.seconds for name, cost in own.items() if cost.rate and cost.seconds]
    speed = sum(speeds) / len(speeds) if speeds else 1.0  # of this machine, against the one that `estimate` supposes
    return {job.id: own.get(job.id) or table_cost(job, counted[job.id] / speed, tokens, rows) for job in jobs}


def cell_cost(job: CellJob, counted: float, measured: Measured) -> Cost:
    """The cost of a training; `counted`: its seconds if nothing was measured."""
    rows, found = planned_rows(job), measured.rate(job)
    written = len(job.test.ids) + len(job.scored.ids) + len(job.generated.ids)
    model = model_bytes(job) if job.keep else 0.0
    units = rows if found is None or found.of_rows else counted * estimate.RATE
    seconds = counted if found is None else units * found.seconds
    return Cost(rows, seconds, CELL_BYTES + BYTES_PER_ROW * written + model, found)


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
