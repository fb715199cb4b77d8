"""The work of a grid, counted twice: the least that its plan needs, and what its workers did.

The two are equal unless something was computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

from bench.jobs import CellJob, DynamicsJob, EmbeddingsJob, Job, ScoresJob, StatesJob, TokensJob, TunedJob
from bench.store.files import read_json
from bench.store.layout import DONE
from methods import METHODS


@dataclass(frozen=True)
class Work:
    """Numbers of trainings, of their optimiser updates, of rows that trained classifiers scored, and of texts that the
    pretrained encoder (its frozen blocks, or all of it) encoded."""

    trainings: int = 0
    updates: int = 0
    scored: int = 0
    encoded: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, name) + getattr(other, name) for name in NAMES))


NAMES = tuple(entry.name for entry in fields(Work))


def done(job: Job) -> Work:
    """The work of a finished job, as its worker counted it."""
    if isinstance(job, CellJob | DynamicsJob):
        timing = read_json(job.folder / "timing.json")
        updates = timing["updates"]  # 0 for snapshots that a cell saved during its own training
        return Work(trainings=int(updates > 0), updates=updates, scored=timing["passes"]["score_rows"])
    if isinstance(job, StatesJob | EmbeddingsJob):
        return Work(encoded=read_json(job.folder / DONE)["rows"])
    if isinstance(job, ScoresJob):
        return Work(scored=read_json(job.folder / DONE)["rows"])
    return Work()


def least(jobs: Iterable[Job], plan: Iterable[Job]) -> Work:
    """The least work for finished jobs of a plan: each training once, each text once per encoder and depth."""
    texts = {job.folder: job.rows for job in plan if isinstance(job, TokensJob)}
    trained: set[str] = set()
    encoded: set[tuple[object, ...]] = set()
    total = Work()
    for job in jobs:
        cell = job.cell if isinstance(job, DynamicsJob) else job
        if isinstance(cell, CellJob):
            total += training(cell) if cell.spec.id not in trained else Work()
            total += Work(scored=snapshot_rows(cell) if isinstance(job, DynamicsJob) else scored(cell))
            trained.add(cell.spec.id)
        elif isinstance(job, ScoresJob):
            total += Work(scored=len(job.ids))
        elif isinstance(job, StatesJob | EmbeddingsJob) and read_json(job.folder / DONE)["rows"]:
            depth = job.train_layers if isinstance(job, StatesJob) else None
            encoded.update((job.checkpoint.hash, depth, *text) for text in texts[job.tokens])
    return total + Work(encoded=len(encoded))


def training(job: CellJob) -> Work:
    """One training and the updates that its method declares."""
    return Work(trainings=1, updates=sum(updates for updates, _ in phases(job)))


def scored(job: CellJob) -> int:
    """Rows that a cell scores: test and scored rows once, selecting rows after each epoch that can be chosen."""
    epochs = 0
    if job.rule:
        plan = phases(job)
        last = max((number for number, (_, anew) in enumerate(plan) if anew), default=0)
        every = math.ceil(len(job.generated.ids) / job.spec.settings["batch_size"])
        epochs = math.ceil(sum(updates for updates, _ in plan[last:]) / every)
    return len(job.test.ids) + len(job.scored.ids) + epochs * (len(job.select.ids) if job.select is not None else 0)


def snapshot_rows(job: CellJob) -> int:
    """Rows that a cell scores for the snapshots of its training."""
    return job.snapshots.count * len(job.scored.ids) if job.snapshots else 0


def phases(job: CellJob) -> list[tuple[int, bool]]:
    """Updates of each phase, and whether it starts anew; for a tuned cell those of its best trial."""
    spec = job.spec
    if isinstance(job, TunedJob):
        spec = job.trials[read_json(job.folder / "trials.json")["chosen"]].spec
    cls = METHODS[spec.method]
    method = cls(cls.Config(**spec.hyperparameters))
    return [(phase.updates, phase.anew) for phase in method.phases(spec.settings["updates"])]
