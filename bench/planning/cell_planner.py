"""What requirements and tuning ask of a section: the identity and folder of a cell, and to add one.

A cell needs tables and a checker's table needs a cell: with this base class the modules need no circle of imports.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from bench.config.method_choice import MethodChoice
from bench.config.protocols import Protocol
from bench.config.settings import Settings
from bench.jobs import CellJob, CellSpec, RoleRows, content, method_code
from bench.planning.marks import Training, marks
from bench.planning.rows import SectionRows
from bench.store.folders import State, state
from bench.store.layout import cell_path, precomputed_path
from methods.base import RealUse, hyperparameters

READS_REAL = {RealUse.TEXTS, RealUse.CLASSES, RealUse.PRIOR, RealUse.GRADIENT, RealUse.SELECT}


class CellPlanner(SectionRows, ABC):
    """The rows of a section, and its cells; `bench.planning.section` adds them to the plan."""

    checkers: CellPlanner  # of the tables that checkers make, which may have another encoder

    @abstractmethod
    def cell(
        self,
        choice: MethodChoice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, RoleRows],
        *,
        requested: bool,
        settings: Settings | None = None,
    ) -> CellJob:
        """Add a cell with its checkers and return it; `settings` replace those of the section."""

    def folder(self, spec: CellSpec, requested: bool) -> Path:
        """The folder of a cell. A checker that was not requested is among the tables, unless it exists as a cell."""
        as_cell = cell_path(self.plan.root, spec.task, spec.method, spec.id)
        if requested or spec.id in self.plan.requested_ids or state(as_cell) in (State.DONE, State.RUNNING):
            return as_cell
        return precomputed_path(self.plan.root, "checker", spec.id)

    def spec(
        self,
        choice: MethodChoice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, RoleRows],
        table_ids: Mapping[str, str],
        settings: Settings | None = None,
    ) -> CellSpec:
        """The identity of a cell: hashes of only what its method and protocol read."""
        data = {"scored": roles["scored"].texts, "test": content(roles["test"])}
        if choice.config.train_on != "real":
            data["generated"] = content(roles["generated"])
        if choice.config.train_on != "generated" or choice.cls.own_use_of(choice.config) in READS_REAL:
            data["real"] = content(roles["real"])
        if protocol.rule:
            data["select"] = content(roles["select"])
        settings = settings or self.settings
        return CellSpec(
            task=self.task.spec.name,
            method=choice.cls.name,
            hyperparameters=hyperparameters(choice.config),
            seed=seed,
            encoder_hash=self.checkpoint.hash,
            preset=self.request.preset,
            protocol=protocol.label,
            settings=settings.of_cell(),
            data=data,
            table_ids=dict(table_ids),
            code=method_code(choice.cls),
            marks=marks(Training(choice, settings, self.checkpoint, self.checkers.checkpoint)),
        )
