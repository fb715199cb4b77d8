"""Jobs as values: what a worker builds, where it goes, and what must be there first.

A plan is a set of jobs. Token arrays and frozen-layer states are artefacts; a checker is a cell like any other, kept
among the artefacts when nobody asked for it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.arrays import BoolArray, IntArray
from bench.encoders.checkpoints import Checkpoint
from bench.hashing import class_hash, digest
from bench.store.folders import State
from bench.store.layout import Kept, cell_path, precomputed_path
from methods.base import Method


def subset(role: RoleRows, which: BoolArray | IntArray) -> RoleRows:
    """Some of a role's rows: by a mask, or by their places."""
    return replace(role, ids=role.ids[which], labels=role.labels[which], index=role.index[which])


@dataclass(frozen=True)
class Job:
    """One unit of work. `id` is unique in a store, `needs` are ids of other jobs."""

    kind: ClassVar[str]
    id: str
    folder: Path
    root: Path
    needs: tuple[str, ...]

    @property
    def title(self) -> str:
        """How the job is called in progress lines."""
        return f"{self.kind} {self.id}"

    @property
    def other_folder(self) -> Path | None:
        """Another folder in which the same may lie."""
        return None


@dataclass(frozen=True)
class Outcome:
    """What became of a job in a worker: done, failed, or running elsewhere. Here, because the parent reads it too."""

    id: str
    state: State
    summary: dict[str, Any] = field(default_factory=dict)
    cause: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class TokensJob(Job):
    """Tokenise the n texts of one role."""

    kind = "tokens"
    texts: list[str]
    pairs: list[str] | None
    checkpoint: Checkpoint
    max_length: int

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each row's text or pair of texts: what is tokenised and encoded once."""
        return list(zip(self.texts, *([self.pairs] if self.pairs else []), strict=True))


@dataclass(frozen=True)
class StatesJob(Job):
    """Run the frozen lower part of an encoder over token arrays, once."""

    kind = "states"
    tokens: Path
    checkpoint: Checkpoint
    train_layers: int


@dataclass(frozen=True)
class MirrorJob(Job):
    """Show a finished cell to a tracker, once."""

    kind = "mirror"
    tracker: str
    cell: Path
    cell_title: str
    inputs: tuple[str, ...] = ()  # artifacts that the cell was made of
    rows: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)  # to log: file -> rows
    model: bool = False  # whether to log the model that the cell keeps

    @property
    def title(self) -> str:
        return f"{self.tracker} run of {self.cell_title}"


@dataclass(frozen=True)
class ScoresJob(Job):
    """Let a classifier that was trained elsewhere score the n rows of one role."""

    kind = "scores"
    tokens: Path
    ids: IntArray  # (n,)
    checkpoint: Checkpoint
    order: tuple[int, ...]  # (C,) the output that stands for each label of the task


@dataclass(frozen=True)
class EmbeddingsJob(Job):
    """Run the whole pretrained encoder over token arrays, once."""

    kind = "embeddings"
    tokens: Path
    checkpoint: Checkpoint


@dataclass(frozen=True)
class FoldsJob(Job):
    """Put together what checkers say of the rows that each was fitted without."""

    kind = "folds"
    parts: tuple[Path, ...]


@dataclass(frozen=True)
class RoleRows:
    """n rows of one role for a cell: ids and labels, and the artefacts with their tokens and states.

    `index` picks the rows out of the artefacts, which may hold more.
    """

    ids: IntArray  # (n,)
    labels: IntArray  # (n,)
    index: IntArray  # (n,)
    tokens: Path
    states: Path | None
    texts: str = ""  # what the rows hold by hash, whatever else the artefacts hold


@dataclass(frozen=True)
class SnapshotRequest:
    """Where a cell leaves what it makes of the scored rows after `count` evenly spaced updates of its training."""

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
    scored: RoleRows  # rows whose final log-probabilities are kept: the generated set before any subset is drawn
    test: RoleRows
    tables: Mapping[str, Path] = field(default_factory=dict)  # artefact -> folder, of tables over generated rows
    real_tables: Mapping[str, Path] = field(default_factory=dict)  # the same over the small real set
    select: RoleRows | None = None  # rows that choose the checkpoint, or the trial
    trials: tuple[CellJob, ...] = ()  # see TunedJob
    rule: tuple[str, ...] = ()  # by which metrics, see `bench.protocols`
    section: str = ""  # what tells its section from others of the grid with the same task
    plugin: Path | None = None  # the user's file that defines the method
    keep: Kept | None = None  # what is kept of the trained model
    snapshots: SnapshotRequest | None = None

    @property
    def other_folder(self) -> Path:
        """A checker that one grid trains as an artefact is a cell of another."""
        named = cell_path(self.root, self.spec.task, self.spec.method, self.spec.id)
        return precomputed_path(self.root, "checker", self.spec.id) if self.folder == named else named

    @property
    def place(self) -> str:
        """The task, and what tells its section from others."""
        return f"{self.spec_json['task_ref']} {self.section}".strip()

    @property
    def title(self) -> str:
        return f"{self.place} {self.spec_json['label']} seed {self.spec.seed}"


@dataclass(frozen=True)
class DynamicsJob(Job):
    """What a cell makes of the scored rows on the way: left by its training, or made by another one of the same."""

    kind = "dynamics"
    cell: CellJob


@dataclass(frozen=True)
class TunedJob(CellJob):
    """Train the best of its trials: cells that differ in their settings and are tested on the rows that select."""

    kind = "tuned"


SCHEMA = 1  # of the store
TRAINER_VERSION = 2  # raised by hand when the same spec would train differently; tests hold a golden trajectory


@dataclass(frozen=True)
class CellSpec:
    """One (method, task, seed, encoder, preset, protocol, settings) run."""

    task: str
    method: str
    hyperparameters: Mapping[str, Any]
    seed: int
    encoder_hash: str
    preset: str
    protocol: str
    settings: Mapping[str, Any]  # with U as a number
    data: Mapping[str, str]  # content hash of each role that is read: generated, real, scored, test
    artefacts: Mapping[str, str]  # id of each artefact that is consumed
    code: str  # of the method

    @cached_property
    def id(self) -> str:
        """The cell's name in the store."""
        return digest({"schema": SCHEMA, "trainer": TRAINER_VERSION, **asdict(self)})


def method_code(cls: type[Method]) -> str:
    """The identity of a method's code: its declared version and the hash of its files without docstrings."""
    return f"{cls.version}:{class_hash(cls)}"


def content(role: RoleRows) -> str:
    """Hash of a role's rows: the texts, which of them, and their labels."""
    repeated = len(np.unique(role.index)) < len(role.index)  # then ids alone do not tell the texts
    places = [role.index.tolist()] if repeated else []
    return digest([role.texts, role.ids.tolist(), role.labels.tolist(), *places])
