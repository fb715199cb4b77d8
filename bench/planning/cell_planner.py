"""The interface through which requirements and tuning plan cells; `bench.planning.section` implements it.

A cell needs tables and a checker's table needs a cell: with this base class the modules need no circle of imports.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from bench.config.method_choice import MethodChoice
from bench.config.protocols import Protocol
from bench.config.settings import Settings
from bench.jobs import CellJob, CellSpec, RoleRows
from bench.planning.rows import SectionRows


class CellPlanner(SectionRows, ABC):
    """The rows of a section, and its cells."""

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

    @abstractmethod
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

    @abstractmethod
    def folder(self, spec: CellSpec, requested: bool) -> Path:
        """The folder of a cell."""
