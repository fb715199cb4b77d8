"""What requirements and tuning ask of whoever plans cells: rows, and cells made of them."""

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
    """Plans the rows of a section, and its cells."""

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
        """Add a cell with its checkers and return it; `settings` are its own, where they are not the section's."""

    @abstractmethod
    def spec(
        self,
        choice: MethodChoice,
        protocol: Protocol,
        seed: int,
        roles: Mapping[str, RoleRows],
        artefacts: Mapping[str, str],
        settings: Settings | None = None,
    ) -> CellSpec:
        """The identity of a cell: hashes of only what its method and protocol read."""

    @abstractmethod
    def folder(self, spec: CellSpec, requested: bool) -> Path:
        """Where a cell lies."""
