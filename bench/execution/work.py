"""The work of a run, counted twice: the least that its plan needs, and what its workers did. Equal, or something was
computed twice.
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
    """Trainings, their optimiser updates, rows that trained classifiers scored, texts that went through an encoder as
    it came (its frozen blocks, or all of it)."""

    trainings: int = 0
    updates: int = 0
    scored: int = 0
    encoded: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, name) + getattr(other, name) for name in NAMES))

    def __str__(self) -> str:
        words = ("trainings", "updates", "rows scored", "texts encoded")
        return ", ".join(f"{getattr(self, name):,} {word}" for name, word in zip(NAMES, words, strict=True))


NAMES = tuple(entry.name for entry in fields(Work))


def done(job: Job) -> Work:
    """What a worker did to finish a job, as it counted."""
    if isinstance(job, CellJob | DynamicsJob):
        timing = read_json(job.folder / "timing.json")
        updates = timing["updates"]  # none where a cell left its dynamics on the way
        return Work(trainings=int(updates > 0), updates=updates, scored=timing["passes"]["score_rows"])
    if isinstance(job, StatesJob | EmbeddingsJob):
        return Work(encoded=read_json(job.folder / DONE)["rows"])
    if isinstance(job, ScoresJob):
        return Work(scored=read_json(job.folder / DONE)["rows"])
    return Work()


def least(jobs: Iterable[Job], plan: Iterable[Job]) -> Work:
    """What finished jobs of a plan had to do at least: each training once, each text once per encoder and depth."""
    texts = {job.folder: job.rows for job in plan if isinstance(job, TokensJob)}
    trained: set[str] = set()
    encoded: set[tuple[object, ...]] = set()
    total = Work()
    for job in jobs:
        cell = job.cell if isinstance(job, DynamicsJob) else job
        if isinstance(cell, CellJob):
            total += training(cell) if cell.spec.id not in trained else Work()
            total += Work(scored=looked_at(cell) if isinstance(job, DynamicsJob) else scored(cell))
            trained.add(cell.spec.id)
        elif isinstance(job, ScoresJob):
            total += Work(scored=len(job.ids))
        elif isinstance(job, StatesJob | EmbeddingsJob) and read_json(job.folder / DONE)["rows"]:
            depth = job.train_layers if isinstance(job, StatesJob) else None
            encoded.update((job.checkpoint.hash, depth, *text) for text in texts[job.tokens])
    return total + Work(encoded=len(encoded))


def training(job: CellJob) -> Work:
    """The updates that a method asks for."""
    return Work(trainings=1, updates=sum(updates for updates, _ in phases(job)))


def scored(job: CellJob) -> int:
    """Rows that a cell evaluates: test, scored rows, and those that select, at the end of each epoch that counts."""
    looks = 0
    if job.rule:
        begun = phases(job)
        last = max((number for number, (_, anew) in enumerate(begun) if anew), default=0)
        every = math.ceil(len(job.generated.ids) / job.spec.settings["batch_size"])
        looks = math.ceil(sum(updates for updates, _ in begun[last:]) / every)
    return len(job.test.ids) + len(job.scored.ids) + looks * (len(job.select.ids) if job.select is not None else 0)


def looked_at(job: CellJob) -> int:
    """Rows that a cell looks at in the course of its training."""
    return job.snapshots.count * len(job.scored.ids) if job.snapshots else 0


def phases(job: CellJob) -> list[tuple[int, bool]]:
    """Updates of each phase, and whether it starts anew; of a tuned cell those of its best trial."""
    spec = job.spec
    if isinstance(job, TunedJob):
        spec = job.trials[read_json(job.folder / "trials.json")["chosen"]].spec
    cls = METHODS[spec.method]
    method = cls(cls.Config(**spec.hyperparameters))
    return [(phase.updates, phase.anew) for phase in method.phases(spec.settings["updates"])]
