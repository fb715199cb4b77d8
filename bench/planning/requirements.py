"""What a method may list in `requires`, and the jobs that make it: one entry per artefact.

An artefact is a table with a row per generated row or per row of the small real set. A checker is the training of a
reference in its defaults: the same cell where the grid asks for it, an artefact where it does not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

import methods
from bench.config.method_choice import configure
from bench.config.protocols import Fixed
from bench.encoders.checkpoints import find, fits, outputs
from bench.errors import UserError
from bench.hashing import digest
from bench.jobs import SCHEMA, DynamicsJob, EmbeddingsJob, FoldsJob, Job, RoleRows, ScoresJob, SnapshotRequest, subset
from bench.store.files import read_json
from bench.store.folders import State, state
from bench.store.layout import precomputed_path
from methods.base import (
    DIVERSITY,
    DIVERSITY_OOF,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
)
from tasks.draw import folds

if TYPE_CHECKING:
    from bench.jobs import ScoresJob
    from bench.planning.cell_planner import CellPlanner


TableRole = Literal["generated", "real"]
FOLDS = 5  # of out-of-fold checkers; five is what cleanlab and scikit-learn cross-validate with
LOOKS = 6  # at the rows in the course of a training: enough for a spread, and their cost is that of one more training


class Requirement(Protocol):
    """How a required table is made; `bench.precomputed.tables` reads it."""

    @property
    def role(self) -> TableRole:
        """Whose rows it is a table of."""
        ...

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add what makes it to a plan, and return the last of it."""
        ...

    def identity(self, job: Job, roles: Mapping[str, RoleRows]) -> str:
        """What stands for it in the id of a cell that reads it."""
        ...


@dataclass(frozen=True)
class Checker:
    """What a reference says of generated rows when it is trained once."""

    reference: str
    role: TableRole = "generated"

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the training to the plan and return it."""
        return planner.cell(configure(methods.METHODS[self.reference], {}), Fixed(), seed, roles, requested=False)

    def identity(self, job: Job, roles: Mapping[str, RoleRows]) -> str:
        """The checkers' own."""
        return job.folder.name


@dataclass(frozen=True)
class OutOfFold(Checker):
    """What a reference says of the rows that it trains on, when each fold of them is left to a training without it."""

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add a training per fold, and the job that puts their scores together."""
        choice = configure(methods.METHODS[self.reference], {})
        parts = []
        for k, (rest, held) in enumerate(self.splits(planner, seed, roles[self.role])):
            named = replace(choice, label=f"{choice.label} without fold {k + 1}/{FOLDS}")
            # Rows are scored once, however often a stress repeats them. The test is the fold too: an artefact has no
            # business with the test rows.
            scored = held if self.role == "real" else subset(roles["scored"], np.unique(held.index))
            given = {**roles, self.role: rest, "scored": scored, "test": held}
            parts.append(planner.cell(named, Fixed(), seed, given, requested=False))
        needs = tuple(job.id for job in parts)
        folder = precomputed_path(planner.plan.root, "folds", digest([SCHEMA, "folds", *needs]))
        job = FoldsJob(f"folds/{folder.name}", folder, planner.plan.root, needs, tuple(job.folder for job in parts))
        planner.plan.add(job)
        return job

    def splits(self, planner: CellPlanner, seed: int, role: RoleRows) -> list[tuple[RoleRows, RoleRows]]:
        """For each fold the rows without it and its own. Raises UserError where there are too few rows."""
        fold = folds(planner.task.spec.name, planner.rows(self.role, role), seed, FOLDS)
        if len(np.unique(fold)) < FOLDS:
            raise UserError(
                f"task {planner.task.label}: {len(role.ids)} {self.role} rows cannot be cut into {FOLDS} folds, which "
                f"out-of-fold scores need; give it at least {FOLDS} different texts"
            )
        return [(subset(role, fold != k), subset(role, fold == k)) for k in range(FOLDS)]


@dataclass(frozen=True)
class ExternalChecker(Checker):
    """What a classifier that the user names says of generated rows; `reference` is what it stands in for."""

    model: str = ""

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the scoring of the base rows, by the model's own tokenizer, and return it. Raises UserError."""
        checkpoint = find(self.model, "model")
        fits(checkpoint, planner.settings)
        order = label_order(
            outputs(read_json(checkpoint.path / "config.json"), self.model), planner.data.spec.labels, self.model
        )
        tokens = planner.tokens(planner.base, checkpoint)
        folder = precomputed_path(planner.plan.root, "scores", digest([SCHEMA, tokens.name, checkpoint.hash, order]))
        job = ScoresJob(
            f"scores/{folder.name}",
            folder,
            planner.plan.root,
            (planner.job_of_folder[tokens],),
            tokens,
            planner.base.ids,
            checkpoint,
            order,
        )
        planner.plan.add(job)
        return job


@dataclass(frozen=True)
class Dynamics(Checker):
    """What a reference makes of generated rows in the course of its training."""

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the training, which looks at the rows on its way if it is still to come, and the job that sees to it."""
        cell = planner.cell(configure(methods.METHODS[self.reference], {}), Fixed(), seed, roles, requested=False)
        folder = planner.artefact("dynamics", [cell.spec.id, LOOKS])
        cell = replace(cell, snapshots=SnapshotRequest(folder, LOOKS))
        if state(folder) is not State.DONE:  # else a cell that is made again has no need to look again
            planner.plan.jobs[cell.id] = cell
        job = DynamicsJob(f"dynamics/{folder.name}", folder, planner.plan.root, (*cell.needs, cell.id), cell)
        planner.plan.add(job)
        return job


@dataclass(frozen=True)
class TextTable:
    """What is made of a role's texts alone: the folder may hold further texts, the identity knows only these."""

    role: TableRole

    def identity(self, job: Job, roles: Mapping[str, RoleRows]) -> str:
        """The texts; the encoder and its tokenizer are in a cell's id anyway."""
        return roles[self.role].texts


@dataclass(frozen=True)
class Embeddings(TextTable):
    """The pretrained encoder's view of texts."""

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add one pass over the texts."""
        tokens = roles[self.role].tokens
        folder = planner.artefact("embeddings", [tokens.name, planner.checkpoint.hash])
        needs = (planner.job_of_folder[tokens],)
        job = EmbeddingsJob(f"embeddings/{folder.name}", folder, planner.plan.root, needs, tokens, planner.checkpoint)
        planner.plan.add(job)
        return job


@dataclass(frozen=True)
class Tokens(TextTable):
    """The texts as the encoder's tokenizer cuts them."""

    def job(self, planner: CellPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Every role's tokens are in the plan already."""
        return planner.plan.jobs[planner.job_of_folder[roles[self.role].tokens]]


def given(checkers: Mapping[str, str]) -> dict[str, Requirement]:
    """The artefacts, with the user's models for those that he names."""
    models = {name: ExternalChecker(name, model=model) for name, model in checkers.items()}
    return {**REQUIREMENTS, **models}


REQUIREMENTS: dict[str, Requirement] = {
    QUALITY: Checker("real-only"),
    DIVERSITY: Checker("ce"),
    QUALITY_OOF: OutOfFold("real-only", "real"),
    DIVERSITY_OOF: OutOfFold("ce"),
    DYNAMICS: Dynamics("ce"),
    EMBEDDINGS: Embeddings("generated"),
    REAL_EMBEDDINGS: Embeddings("real"),
    TOKENS: Tokens("generated"),
    REAL_TOKENS: Tokens("real"),
}


def label_order(outputs: Sequence[str], labels: Sequence[str], name: str) -> tuple[int, ...]:
    """(C,) which of a model's outputs stands for each label of the task.

    Outputs are matched by name; a model whose outputs have no names (LABEL_0, ...) is taken to have the task's order.
    Raises UserError for other classes.
    """
    if len(outputs) != len(labels):
        raise UserError(f"{name} tells {len(outputs)} classes apart ({', '.join(outputs)}), the task {len(labels)}")
    if all(re.fullmatch(r"LABEL_\d+", output) for output in outputs):
        return tuple(range(len(outputs)))
    plain = [output.strip().casefold() for output in outputs]
    wanted = [label.strip().casefold() for label in labels]
    if sorted(plain) != sorted(wanted):
        raise UserError(f"{name} has the classes {', '.join(outputs)}, the task {', '.join(labels)}")
    return tuple(plain.index(label) for label in wanted)
