"""Read the roles of a task: each from the place that the user gave for it, or from the source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tasks.errors import DataError, listed, nearest
from tasks.loading.checks import checked_options, checked_rows, chosen_place, kept
from tasks.loading.columns import Columns, columns_of, discovered, same_shape
from tasks.roles import FILES, ColumnRole, Role
from tasks.rows import Rows
from tasks.sources.files import Table
from tasks.sources.hub import UnreachableError
from tasks.sources.places import read_place
from tasks.sources.registry import SOURCES, Block, FilesBlock
from tasks.spec import TaskSpec, base_folder, load_spec

# The roles that the user can give a place for; with all of them no source of the task is read.
GIVEN = ("generated", "real", "test")


class Reader:
    """Reads the roles of one task from one source, and notes what readers of a report should know."""

    def __init__(
        self,
        name: str | Path,
        source: str,
        data_dir: Path | None,
        options: Mapping[str, object],
        places: Mapping[Role, str],
    ) -> None:
        self.spec = load_spec(name)
        self.source = FILES if len(places) == len(GIVEN) else self.spec.source(source)
        self.places = places
        self.data_dir = base_folder(name) if self.source == FILES else data_dir
        self.block = _block(self.spec, self.source, places)
        self.filters = checked_options(self.spec, options)
        if place := chosen_place(self.spec, self.source, options):
            self.block = self.block.model_copy(update={"real": place})
        self.notes: list[str] = []
        self.origins: dict[str, str] = {}
        self.renamed: dict[str, Mapping[ColumnRole, str]] = {}  # columns by role, where a source was read
        own = self.spec.name == FILES
        self.where = f"task {self.spec.title}" if own else f"task {self.spec.name} (source {self.source})"
        if self.block.title:
            self.spec = self.spec.model_copy(update={"title": self.block.title})

    def rows(self) -> dict[str, Rows]:
        """The rows of each role; `held` are the source's real rows where they give the test and no more."""
        tables = {"generated": self.generated(), "real": self.table("real")}
        if "test" in self.places or self.block.test is not None:
            tables["test"] = self.table("test")
        elif self.block.split is not None and self.block.real is not None and "real" in self.places:
            tables["held"] = self.own("real", "held")
        if self.block.validation is not None:
            tables["validation"] = self.own("validation")
        self.notes += (note for table in tables.values() for note in table.notes)
        columns = {
            role: (table, columns_of(table, self.spec, self.renamed.get(role))) for role, table in tables.items()
        }
        same_shape(columns)
        pair = columns["real"][1].text_pair
        labels = self.spec.labels or discovered(columns, self.block.leave_out)
        self.spec = self.spec.model_copy(update={"labels": labels, "text_pair": pair})
        return {role: self.checked(role, table, names) for role, (table, names) in columns.items()}

    def table(self, role: Role) -> Table:
        """A role from the place that the user gave for it, or from the source."""
        if role not in self.places:
            return self.own(role)
        table = read_place(self.places[role], role)
        self.origins[role] = table.origin
        return table

    def own(self, role: Role, kept_as: str = "") -> Table:
        """A role from the source, `kept_as` another where the user gave a place for the role itself."""
        if self.block.place(role) is None:
            raise DataError(f"{self.where}: no {role} rows; give --{role} FILE{_alone(self.block)}")
        return self.read(self.source, self.block, role, kept_as or role)

    def read(self, source: str, block: Block, role: Role, kept_as: str) -> Table:
        """A role from some source of the task."""
        try:
            table = SOURCES[source].read(block, role, self.data_dir)
        except UnreachableError as error:
            others = [name for name in self.spec.complete_sources() if name != source]
            raise DataError(f"{error}; sources of task {self.spec.name} without network: {listed(others)}") from None
        self.origins[kept_as] = table.origin
        self.renamed[kept_as] = block.columns
        return table

    def generated(self) -> Table:
        """The generated set; where the source does not have it, the bundled one or that of the data folder."""
        if "generated" in self.places or self._has_generated(self.source):
            return self.table("generated")
        for other in ("bundled", "local"):
            if other in self.spec.sources and self._has_generated(other):
                place = self.block.generated
                self.notes.append(
                    f"generated set: {other}, because source {self.source} does not have {place or 'one'}"
                )
                return self.read(other, self.spec.sources[other], "generated", "generated")
        return self.own("generated")

    def _has_generated(self, source: str) -> bool:
        """Whether a source of the task can be expected to have the generated set."""
        block = self.spec.sources.get(source, self.block)
        if source == "local" and source != self.source and self.data_dir is None:
            return False
        return SOURCES[source].has(block, "generated", self.data_dir)

    def checked(self, role: str, table: Table, columns: Columns) -> Rows:
        """A role's rows without those to leave out; for roles that are not generated with the filters applied."""
        out, count = self.block.leave_out, len(self.spec.labels)
        rows = checked_rows(table, columns, (*self.spec.labels, *out), self.spec.clean_label)
        mask = rows.labels < count
        if not mask.all():
            self.notes.append(f"{(~mask).sum():,} of {len(rows):,} {role} rows left out: {listed(out)}")
        if self.filters and role != "generated":
            mask &= kept(table, self.spec, self.filters)
            asked = ", ".join(f"{name}={value:g}" for name, value in self.filters.items())
            self.notes.append(f"{asked}: keeps {mask.sum():,} of {len(rows):,} {role} rows")
        return rows if mask.all() else rows.take(mask)

    def described(self) -> str:
        """The source as reports name it: with the roles that were replaced."""
        if self.source == FILES or not self.places:
            return self.source
        return f"{self.source}, own {' and '.join(self.places)}"


def _alone(block: Block) -> str:
    """For an error about real rows that are lacking: what the one file that there is was taken for."""
    return f" ({block.generated} is taken as the generated set)" if block.generated and not block.real else ""


def _block(spec: TaskSpec, source: str, places: Mapping[Role, str]) -> Block:
    if len(places) == len(GIVEN):
        return FilesBlock()
    usable = spec.complete_sources()
    if source not in SOURCES:
        raise DataError(f"no source {source!r}{nearest(source, SOURCES)}; task {spec.name} has: {listed(usable)}")
    if source not in usable:
        lacks = "real rows in source" if source in spec.sources else "source"
        raise DataError(f"task {spec.name} has no {lacks} {source}; sources it has: {listed(usable)}")
    return spec.sources[source]
