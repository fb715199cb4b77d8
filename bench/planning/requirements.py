"""The precomputed tables that a method may list in `requires`, and the jobs that compute them: one entry per table.

A table has a row per generated row or per row of the small real set. A checker is the training of a reference method in
its defaults. If the grid requests that method too, the checker is its cell; otherwise it is a cell of its own.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

import methods
from bench.config.method_choice import MethodChoice, configure
from bench.config.protocols import Fixed
from bench.config.settings import Settings
from bench.encoders.checkpoints import outputs
from bench.errors import UserError
from bench.hashing import digest
from bench.jobs import (
    SCHEMA,
    ColumnJob,
    DynamicsJob,
    FoldsJob,
    Job,
    RoleRows,
    ScoresJob,
    SnapshotRequest,
    subset,
)
from bench.store.files import read_json
from bench.store.folders import State, state
from bench.store.layout import precomputed_path
from methods.base import (
    COLUMN,
    DIVERSITY,
    DIVERSITY_OOF,
    DIVERSITY_REAL,
    DYNAMICS,
    EMBEDDINGS,
    QUALITY,
    QUALITY_OOF,
    REAL_EMBEDDINGS,
    REAL_TOKENS,
    TOKENS,
    column,
)
from tasks.draw import folds
from tasks.errors import plural
from tasks.extra_columns import column_values

if TYPE_CHECKING:
    from bench.planning.section import SectionPlanner


TableRole = Literal["generated", "real"]
FOLDS = 5  # of out-of-fold checkers, as cleanlab and scikit-learn cross-validate by default
SNAPSHOTS = 6  # of a training: enough to measure a spread, at about the cost of one more training


class Requirement(ABC):
    """Plans a required table; `bench.precomputed.tables` reads it."""

    role: TableRole = "generated"  # whose rows the table covers
    of_checkers: ClassVar[bool] = True  # whether the checkers' encoder makes it, where that is not the classifier's

    @abstractmethod
    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the jobs that make the table to a plan, and return the last one."""

    def table_id(self, job: Job, roles: Mapping[str, RoleRows]) -> str:
        """The id of the table in the specification of a cell that reads it."""
        return job.folder.name


@dataclass(frozen=True)
class Checker(Requirement):
    """Scores of rows by a reference method, `method`, trained once."""

    method: str
    role: TableRole = "generated"

    @property
    def choice(self) -> MethodChoice:
        """The method in its defaults."""
        return configure(methods.METHODS[self.method], {})

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the training to the plan and return it."""
        return planner.cell(self.choice, Fixed(), seed, roles, requested=False, settings=self.settings(planner, roles))

    def settings(self, planner: SectionPlanner, roles: Mapping[str, RoleRows]) -> Settings | None:
        """The settings of a checker that is trained on real rows; None: those of the cells."""
        on_real = self.choice.config.train_on == "real"
        return planner.settings.of_checker(len(roles["real"].ids)) if on_real else None


@dataclass(frozen=True)
class OutOfFold(Checker):
    """Out-of-fold scores of a reference method: each row is scored by a training without the row's fold."""

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add a training per fold, and the job that joins their scores."""
        choice, parts = self.choice, []
        for k, (rest, held) in enumerate(self.splits(planner, seed, roles[self.role])):
            without = replace(choice, label=f"{choice.label} without fold {k + 1}/{FOLDS}")
            # Rows are scored once, however often a stress repeats them. The fold is the test too: a checker never
            # reads the test rows.
            scored = held if self.role == "real" else subset(roles["scored"], np.unique(held.index))
            fold_roles = {**roles, self.role: rest, "scored": scored, "test": held}
            settings = self.settings(planner, fold_roles)
            parts.append(planner.cell(without, Fixed(), seed, fold_roles, requested=False, settings=settings))
        needs = tuple(job.id for job in parts)
        folder = precomputed_path(planner.plan.root, "folds", digest([SCHEMA, "folds", *needs]))
        job = FoldsJob(f"folds/{folder.name}", folder, planner.plan.root, needs, tuple(job.folder for job in parts))
        return planner.plan.add(job)

    def splits(self, planner: SectionPlanner, seed: int, role: RoleRows) -> list[tuple[RoleRows, RoleRows]]:
        """For each fold, the rows outside and the rows inside it. Raises UserError for too few rows."""
        own = planner.seed_of(self.role, seed)
        fold = folds(planner.task.spec.name, planner.rows(self.role, role), own, FOLDS)
        if len(np.unique(fold)) < FOLDS:
            raise UserError(
                f"task {planner.task.label}: {plural(len(role.ids), f'{self.role} row')} cannot be cut into the "
                f"{FOLDS} folds that out-of-fold scores need; use at least {FOLDS} different texts"
            )
        return [(subset(role, fold != k), subset(role, fold == k)) for k in range(FOLDS)]


@dataclass(frozen=True)
class OnReal(Checker):
    """Scores of the small real set by a reference method that is trained on the generated rows, once more."""

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the training. The real rows are its test too: a checker never reads the test rows."""
        choice = replace(self.choice, label=f"{self.choice.label} scoring real rows")
        swapped = {**roles, "scored": roles["real"], "test": roles["real"]}
        return planner.cell(choice, Fixed(), seed, swapped, requested=False)


@dataclass(frozen=True)
class ExternalChecker(Requirement):
    """Scores of generated rows by the user's own classifier, in place of the table of the same name."""

    name: str

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the scoring of the base rows, with the model's own tokenizer and as many tokens as the model reads.

        Raises UserError for an unfit model.
        """
        checkpoint = planner.given[self.name]
        own = outputs(read_json(checkpoint.path / "config.json"), checkpoint.name)
        order = label_order(own, planner.data.spec.labels, checkpoint.name)
        length = planner.length_of(checkpoint)
        tokens = planner.tokens(planner.base, "generated", checkpoint, length)
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
            length,
        )
        return planner.plan.add(job)


@dataclass(frozen=True)
class Dynamics(Checker):
    """Snapshots of a reference method's training: its scores of generated rows at evenly spaced updates."""

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the training, which saves the snapshots if it is not done yet, and the job that checks for them."""
        cell = planner.cell(self.choice, Fixed(), seed, roles, requested=False)
        folder = planner.table_folder("dynamics", [cell.spec.id, SNAPSHOTS])
        cell = replace(cell, snapshots=SnapshotRequest(folder, SNAPSHOTS))
        if state(folder) is not State.DONE:  # else a cell that is trained again need not save them again
            planner.plan.jobs[cell.id] = cell
        job = DynamicsJob(f"dynamics/{folder.name}", folder, planner.plan.root, (*cell.needs, cell.id), cell)
        return planner.plan.add(job)


@dataclass(frozen=True)
class TextTable(Requirement):
    """A table that depends on a role's texts alone. Its folder may hold further texts; its id covers only these."""

    role: TableRole
    of_checkers: ClassVar[bool] = False

    def table_id(self, job: Job, roles: Mapping[str, RoleRows]) -> str:
        """The hash of the texts; the classifier's encoder, which makes the table, is in a cell's id anyway."""
        return roles[self.role].texts


@dataclass(frozen=True)
class Embeddings(TextTable):
    """Embeddings of texts by the pretrained encoder."""

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add one pass of the encoder over the texts."""
        return planner.embeddings(roles[self.role].tokens)


@dataclass(frozen=True)
class Tokens(TextTable):
    """Tokens of texts by the encoder's tokenizer."""

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """The job of the role's tokens, which is in the plan already."""
        return planner.plan.jobs[planner.job_of_folder[roles[self.role].tokens]]


@dataclass(frozen=True)
class Column(Requirement):
    """An extra column of the generated file, such as `score`. Its id is the hash of the values by row."""

    name: str
    of_checkers: ClassVar[bool] = False

    def job(self, planner: SectionPlanner, seed: int, roles: Mapping[str, RoleRows]) -> Job:
        """Add the job that writes the column. Raises DataError if there is none, or for a missing cell."""
        rows, table = planner.base, column(self.name)
        where = f"task {planner.task.label}: generated rows ({planner.data.origins.get('generated', '')})"
        values, names = column_values(rows, self.name, where)
        content = digest([SCHEMA, table, rows.ids.tolist(), values.tolist(), names])
        folder = precomputed_path(planner.plan.root, "column", content)
        job = ColumnJob(f"column/{folder.name}", folder, planner.plan.root, (), self.name, rows.ids, values, names)
        return planner.plan.add(job)


def requirement(name: str, given: Container[str]) -> Requirement:
    """The requirement of a table; `given` are the names of tables that the user's own models replace."""
    if name.startswith(COLUMN):
        return Column(name.removeprefix(COLUMN))
    return ExternalChecker(name) if name in given else REQUIREMENTS[name]


REQUIREMENTS: dict[str, Requirement] = {
    QUALITY: Checker("real-only"),
    DIVERSITY: Checker("ce"),
    QUALITY_OOF: OutOfFold("real-only", "real"),
    DIVERSITY_OOF: OutOfFold("ce"),
    DIVERSITY_REAL: OnReal("ce", "real"),
    DYNAMICS: Dynamics("ce"),
    EMBEDDINGS: Embeddings("generated"),
    REAL_EMBEDDINGS: Embeddings("real"),
    TOKENS: Tokens("generated"),
    REAL_TOKENS: Tokens("real"),
}


def label_order(outputs: Sequence[str], labels: Sequence[str], name: str) -> tuple[int, ...]:
    """(C,) the place of each label of the task among a model's outputs.

    Outputs are matched by name. Outputs without names (LABEL_0, ...) are taken to be in the task's order. Raises
    UserError for other classes.
    """
    if len(outputs) != len(labels):
        raise UserError(f"{name} has {len(outputs)} classes ({', '.join(outputs)}), the task {len(labels)}")
    if all(re.fullmatch(r"LABEL_\d+", output) for output in outputs):
        return tuple(range(len(outputs)))
    own = [output.strip().casefold() for output in outputs]
    wanted = [label.strip().casefold() for label in labels]
    if sorted(own) != sorted(wanted):
        raise UserError(f"{name} has the classes {', '.join(outputs)}, the task {', '.join(labels)}")
    return tuple(own.index(label) for label in wanted)
