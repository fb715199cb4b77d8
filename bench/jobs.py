"""Jobs as values: the computation of a worker, the folder of its result, and the jobs that must be done first.

A plan is a set of jobs. Token arrays, frozen states and other precomputed tables are jobs of their own kinds. A checker
is a cell like any other; it is stored among the precomputed tables unless its method was requested too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.arrays import BoolArray, FloatArray, IntArray
from bench.encoders.checkpoints import Checkpoint
from bench.hashing import class_hash, digest
from bench.store.folders import State
from bench.store.layout import Kept, cell_path, precomputed_path
from methods.base import Method

SCHEMA = 1  # of the store
TRAINER_VERSION = 2  # raised by hand when the same spec would train differently; tests hold a golden trajectory
# The same for cells in bf16 or fp16. With 2 only a worker's first cell had its precision; with 3 probes had it too, and
# gradients in fp16 were divided by their scale several times.
MIXED_PRECISION_VERSION = 4
MOST_STATE_BYTES = 2 * 1024**3  # of a table of frozen states; cells compute those of a larger one, batch by batch

# The specification of a cell, and its rows.


@dataclass(frozen=True)
class CellSpec:
    """One (method, task, seed, encoder, preset, protocol, settings) run. The id is a hash of all fields."""

    task: str
    method: str
    hyperparameters: Mapping[str, Any]
    seed: int
    encoder_hash: str
    preset: str
    protocol: str
    settings: Mapping[str, Any]  # with U, the updates, as a number
    data: Mapping[str, str]  # content hash of each role that is read: generated, real, scored, test, select
    table_ids: Mapping[str, str]  # id of each precomputed table that the method reads
    code: str  # of the method
    marks: tuple[str, ...] = ()  # see `bench.planning.marks`

    @cached_property
    def id(self) -> str:
        """The cell's name in the store."""
        values = asdict(self)
        values["artefacts"] = values.pop("table_ids")  # the key on disk, and so in the ids of all finished cells
        if not self.marks:
            values.pop("marks")
        mixed = values["settings"].get("precision", "no") != "no"
        return digest({"schema": SCHEMA, "trainer": MIXED_PRECISION_VERSION if mixed else TRAINER_VERSION, **values})


def method_code(cls: type[Method]) -> str:
    """The identity of a method's code: its declared version and the hash of its files without docstrings."""
    return f"{cls.version}:{class_hash(cls)}"


@dataclass(frozen=True)
class RoleRows:
    """n rows of one role for a cell: ids, labels, and the folders with their tokens and frozen states.

    `index` is the place of each row in the tables of these folders, which may hold more rows.
    """

    ids: IntArray  # (n,)
    labels: IntArray  # (n,)
    index: IntArray  # (n,)
    tokens: Path
    states: Path | None
    texts: str = ""  # hash of the texts of these rows, whatever else the folders hold


def subset(role: RoleRows, which: BoolArray | IntArray) -> RoleRows:
    """Some of a role's rows, chosen by a mask or by their places."""
    return replace(role, ids=role.ids[which], labels=role.labels[which], index=role.index[which])


def content(role: RoleRows) -> str:
    """Hash of a role's rows: the texts, which of them, and their labels."""
    repeated = len(np.unique(role.index)) < len(role.index)  # then the ids alone do not determine the texts
    places = [role.index.tolist()] if repeated else []
    return digest([role.texts, role.ids.tolist(), role.labels.tolist(), *places])


# Jobs of every kind, and their outcomes.


@dataclass(frozen=True)
class Job:
    """One unit of work. `id` is unique in a store, `needs` are ids of other jobs.

    `replaces`: earlier results, named by `bench.store.folders.result_of`. They count as none, and a worker that takes
    the job removes them.
    """

    kind: ClassVar[str]
    id: str
    folder: Path
    root: Path
    needs: tuple[str, ...]
    replaces: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def title(self) -> str:
        """The name of the job in progress lines."""
        return self.id

    @property
    def other_folder(self) -> Path | None:
        """The other folder that may hold this result, see `CellJob.other_folder`."""
        return None


@dataclass(frozen=True)
class Outcome:
    """How a job ended in a worker: done, failed, or running elsewhere. It is sent to the parent process."""

    id: str
    state: State
    summary: dict[str, Any] = field(default_factory=dict)
    cause: str = ""
    seconds: float = 0.0
    gpu_lost: bool = False  # whether an error of the GPU left the worker without it: no further job can run there


@dataclass(frozen=True)
class EncoderJob(Job):
    """Load an encoder once, before anything trains, to find out whether its weights and its tokenizer fit."""

    kind = "encoder"
    checkpoint: Checkpoint
    n_classes: int
    classifier: bool  # whether it must be a trained classifier: then its head is checked too
    layers: int  # how many of its top blocks train; 0 where all of it trains, or none


# Trainings.


@dataclass(frozen=True)
class SnapshotRequest:
    """Asks a cell to save snapshots: the folder, and how many evenly spaced updates to take one after."""

    folder: Path
    count: int


@dataclass(frozen=True)
class CellJob(Job):
    """Train one cell or checker."""

    kind = "cell"
    spec: CellSpec
    spec_json: Mapping[str, Any]  # spec.json: the specification with the names people use
    checkpoint: Checkpoint
    n_classes: int
    generated: RoleRows
    real: RoleRows
    scored: RoleRows  # rows whose final log-probabilities are saved: the generated set before any stress
    test: RoleRows
    tables: Mapping[str, Path] = field(default_factory=dict)  # folder of each required table over generated rows
    real_tables: Mapping[str, Path] = field(default_factory=dict)  # the same for the small real set
    select: RoleRows | None = None  # rows that choose the checkpoint, or the trial
    trials: tuple[CellJob, ...] = ()  # see TunedJob
    rule: tuple[str, ...] = ()  # metrics that choose the checkpoint, in order, see `bench.config.protocols`
    section: str = ""  # encoder and protocol, where the grid has several of them
    plugin: Path | None = None  # the user's file that defines the method
    keep: Kept | None = None  # which weights of the trained model are saved
    score: bool = True  # whether the final log-probabilities of the rows `scored` are computed
    snapshots: SnapshotRequest | None = None
    live_curves: MirrorJob | None = None  # the W&B run that shows the training while it goes on

    @property
    def other_folder(self) -> Path:
        """The other folder that may hold this result: a cell may have been trained as a checker, and the reverse."""
        as_cell = cell_path(self.root, self.spec.task, self.spec.method, self.spec.id)
        return precomputed_path(self.root, "checker", self.spec.id) if self.folder == as_cell else as_cell

    @property
    def place(self) -> str:
        """The task, with the encoder and the protocol where the grid has several of them."""
        return f"{self.spec_json['task_ref']} {self.section}".strip()

    @property
    def title(self) -> str:
        return f"{self.place} {self.spec_json['label']} seed {self.spec.seed}"


@dataclass(frozen=True)
class TunedJob(CellJob):
    """Train the best of its trials: cells that differ in their settings and are tested on the selecting rows."""

    kind = "tuned"


@dataclass(frozen=True)
class DynamicsJob(Job):
    """Snapshots of a cell's training: saved by that training, or by a second one if the cell was done before."""

    kind = "dynamics"
    cell: CellJob


def outputs(job: Job) -> list[Path]:
    """The folders that a job writes, its own first."""
    extra = [job.snapshots.folder] if isinstance(job, CellJob) and job.snapshots is not None else []
    return [job.folder, *extra]


# Precomputed tables.


@dataclass(frozen=True)
class TokensJob(Job):
    """Tokenise the n texts of one role."""

    kind = "tokens"
    role: str  # in messages
    texts: list[str]
    pairs: list[str] | None
    checkpoint: Checkpoint
    max_length: int

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each row's text or pair of texts. Equal rows are tokenised and encoded once."""
        return list(zip(self.texts, *([self.pairs] if self.pairs else []), strict=True))


@dataclass(frozen=True)
class StatesJob(Job):
    """Run the frozen lower part of an encoder over token arrays, once."""

    kind = "states"
    tokens: Path
    checkpoint: Checkpoint
    train_layers: int


def states_fit(tokens: float, width: int) -> bool:
    """Whether the frozen states of so many tokens, `width` numbers in float32 each, are stored."""
    return 4 * tokens * width <= MOST_STATE_BYTES


@dataclass(frozen=True)
class EmbeddingsJob(Job):
    """Run the whole pretrained encoder over token arrays, once."""

    kind = "embeddings"
    tokens: Path
    checkpoint: Checkpoint


@dataclass(frozen=True)
class ScoresJob(Job):
    """Score the n rows of one role with a classifier that was trained before."""

    kind = "scores"
    tokens: Path
    ids: IntArray  # (n,)
    checkpoint: Checkpoint
    order: tuple[int, ...]  # (C,) the output for each label of the task
    max_length: int  # tokens of a text that it reads


@dataclass(frozen=True)
class ColumnJob(Job):
    """Write the values of an extra column of the n generated rows, which methods require."""

    kind = "column"
    column: str
    ids: IntArray  # (n,)
    values: FloatArray  # (n,)
    names: tuple[str, ...]  # of the groups 0, 1, ...; none if the column holds numbers


@dataclass(frozen=True)
class FoldsJob(Job):
    """Join the out-of-fold scores: each checker scores the rows that it was not trained on."""

    kind = "folds"
    parts: tuple[Path, ...]


# Logging to trackers.


@dataclass(frozen=True)
class MirrorJob(Job):
    """Log a finished cell to a tracker, once."""

    kind = "mirror"
    tracker: str
    cell: Path
    cell_title: str
    requested: Mapping[str, Any] = field(default_factory=dict)  # settings as requested: epochs are not yet updates
    inputs: tuple[str, ...] = ()  # W&B artifacts that the cell was made from
    rows: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)  # rows to log: file -> rows
    model: bool = False  # whether to log the cell's saved model

    @property
    def title(self) -> str:
        return f"{self.tracker} run of {self.cell_title}"
