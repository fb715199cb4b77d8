"""Reads the rows of each role of a task, from a place that the user names or from one of the task's sources."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from tasks.errors import DataError, did_you_mean, join_names, user_path
from tasks.findings import Finding
from tasks.loading.better_columns import column_findings
from tasks.loading.checks import by_position, checked_options, checked_rows, chosen_place, filter_mask
from tasks.loading.columns import columns_of, same_shape
from tasks.loading.copies import refuse_same_rows
from tasks.loading.generations import sizes_of
from tasks.loading.labels import label_findings, labels_in
from tasks.loading.own_rows import check_mapped, label_names, prepared, spellings
from tasks.reading import USUAL, Columns, Reading, Readings, option_name, reading_of
from tasks.roles import FILES, ROLES, ColumnRole, Role
from tasks.rows import Rows
from tasks.sources.hub import UnreachableError
from tasks.sources.places import read_place, unread
from tasks.sources.registry import SOURCES, Block, FilesBlock
from tasks.sources.table import Table
from tasks.spec import TaskSpec, base_folder, load_spec, task_names


class Reader:
    """Reads the roles of one task from one source.

    Reading fills `notes` (what was replaced, filtered or left out, for the report), `origins` (what the rows of each
    role are) and the labels of `spec`.
    """

    def __init__(
        self,
        name: str | Path,
        source: str,
        data_dir: Path | None,
        options: Mapping[str, object],
        places: Mapping[Role, str | Table],
        readings: Readings = USUAL,
        title: str | None = None,
    ) -> None:
        self.spec, self.registered = load_spec(name), name in task_names()
        if title is not None and self.spec.name == FILES:
            self.spec = self.spec.model_copy(update={"title": title})
        # If the user names a place for every role, no source of the task is read.
        self.source = FILES if len(places) == len(ROLES) else self.spec.source(source)
        self.places, self.readings = places, readings
        self.data_dir = base_folder(name) if self.source == FILES else data_dir
        self.block = _block(self.spec, self.source, places)
        self.filters = checked_options(self.spec, options)
        if place := chosen_place(self.spec, self.source, options):
            self.block = self.block.model_copy(update={"real": place})
        self.notes: list[str] = unread(user_path(name)) if self.spec.name == FILES and name != FILES else []
        self.findings: list[Finding] = []  # about the columns of the user's files
        self.columns: dict[str, Columns] = {}  # of the roles that are the user's own
        own = bool(places) or self.source == FILES
        self.leave_out = (*self.block.leave_out, *(reading_of(readings, "").drop_labels if own else ()))
        self.origins: dict[str, str] = {}
        self.generations: dict[str, int] = {}  # the number of rows read of each of several generated sets, by name
        # The block's names of columns, for the roles that were read from a source.
        self.column_names: dict[str, Mapping[ColumnRole, str]] = {}
        own_task = self.spec.name == FILES
        self.error_prefix = f"task {self.spec.title}" if own_task else f"task {self.spec.name} (source {self.source})"
        if self.block.title:
            self.spec = self.spec.model_copy(update={"title": self.block.title})

    def rows(self) -> dict[str, Rows]:
        """The rows of each role.

        If the user names a place for `real` and the source splits its test off its own real rows, those rows are under
        the key `held`: they give the test and nothing else.
        """
        tables = {"generated": self._generated(), "real": self._table("real")}
        if "test" in self.places or self.block.test is not None:
            tables["test"] = self._table("test")
        elif self.block.split is not None and self.block.real is not None and "real" in self.places:
            tables["held"] = self._from_own_source("real", key="held")
        self.generations = sizes_of(tables["generated"])
        self.notes += (note for table in tables.values() for note in table.notes)
        columns = self._with_columns(tables)
        same_shape(columns)
        pair = columns["real"][1].text_pair
        labels = self._labels(columns)
        self.spec = self.spec.model_copy(update={"labels": labels, "text_pair": pair})
        rows = {role: self._checked_rows(role, table, names) for role, (table, names) in columns.items()}
        if not reading_of(self.readings, "").same_rows:
            refuse_same_rows(rows, {role: table.name for role, table in tables.items()})
        return rows

    def _labels(self, columns: Mapping[str, tuple[Table, Columns]]) -> tuple[str, ...]:
        """The labels of the task: those that it fixes, or else those of the rows. Raises `DataError`."""
        if not self.spec.labels:
            labels = labels_in(columns, self.leave_out)
            self.findings += label_findings(labels)
            return labels
        for label in self.leave_out:
            if label in self.spec.labels:
                option = "leave_out" if label in self.block.leave_out else option_name("drop_labels")
                raise DataError(
                    f"{option}: {label!r} is a class of task {self.spec.name}, which fixes its classes "
                    f"({join_names(self.spec.labels)})"
                )
        return self.spec.labels

    def _with_columns(self, tables: Mapping[str, Table]) -> dict[str, tuple[Table, Columns]]:
        """The tables of all roles with their columns; those of the user's own rows are checked and mapped."""
        result, present, named = {}, dict[str, set[str]](), set[str]()
        for role, table in tables.items():
            reading = self._reading(role)
            names = columns_of(table, self.spec, self.column_names.get(role), reading.columns, role)
            if self._own(role):
                self.columns[role] = names
                for column in filter(None, (names.text, names.text_pair, names.label)):
                    table.column(column)  # raises for one that is not there
                self.findings += column_findings(table, role, names, {*reading.columns, *self._named(role)})
                read = table
                table, notes = prepared(read, role, names, reading)
                self.notes += notes
                own_names = {name for name in label_names(table, names.label) if name is not None}
                present[role] = spellings(read, names.label) | own_names
                named |= own_names
            result[role] = (table, names)
        self._check_options(present, named)
        return result

    def _check_options(self, present: Mapping[str, set[str]], named: set[str]) -> None:
        """Raise `DataError` for an option on labels that applies to no row.

        `present` are the labels by role before and after the mapping, `named` all labels after it.
        """
        if not present:  # none of the rows are the user's own; those of another task of the grid may be
            return
        everything = set().union(*present.values())
        check_mapped(reading_of(self.readings, "").drop_labels, named, option_name("drop_labels"))
        for role, reading in self.readings.items():
            labels = everything if role is None else present.get(role, set())
            if role is not None and role not in present and (reading.columns or reading.labels):
                what = next(iter(reading.columns), "labels")
                raise DataError(f"{option_name(what, role)} is for your own {role} rows; give --{role} FILE")
            check_mapped(reading.labels, labels, option_name("labels", role))

    def _named(self, role: str) -> set[str]:
        """The kinds of columns that a YAML names for a role."""
        if (named := self.column_names.get(role)) is None:
            return set()
        return {*named, *(["text"] if self.spec.text else [])}

    def _own(self, role: str) -> bool:
        """Whether the rows of a role are the user's own."""
        return role in self.places or self.source == FILES

    def _reading(self, role: str) -> Reading:
        return reading_of(self.readings, role) if self._own(role) else Reading()

    def described_source(self) -> str:
        """The source as reports name it, with the roles that the user replaced: `bundled, own real`."""
        if self.source == FILES or not self.places:
            return self.source
        return f"{self.source}, own {' and '.join(self.places)}"

    def _table(self, role: Role) -> Table:
        """A role from the place that the user named for it, or else from the source."""
        if role not in self.places:
            return self._from_own_source(role)
        place = self.places[role]
        table = place if isinstance(place, Table) else read_place(place, role)
        self.origins[role] = table.origin
        return table

    def _generated(self) -> Table:
        """The generated set. If the source lacks it, that of `bundled` or `local` is read instead, with a note."""
        if "generated" in self.places or self._has_generated(self.source):
            return self._table("generated")
        for other in ("bundled", "local"):
            if other in self.spec.sources and self._has_generated(other):
                lacking = self.block.generated or "one"
                self.notes.append(f"generated set: {other}, because source {self.source} does not have {lacking}")
                return self._from_source(other, self.spec.sources[other], "generated", "generated")
        return self._from_own_source("generated")

    def _has_generated(self, source: str) -> bool:
        """Whether a source of the task should have the generated set."""
        block = self.spec.sources.get(source, self.block)
        if source == "local" and source != self.source and self.data_dir is None:
            return False
        return SOURCES[source].has(block, "generated", self.data_dir)

    def _from_own_source(self, role: Role, key: str = "") -> Table:
        """A role from the reader's source. `key` is its name in `rows` if that is not the role."""
        if self.block.place(role) is None:
            # A single file is taken as the generated set. The message says so, as the user may have meant real rows.
            single = self.block.generated and not self.block.real
            taken = f" ({self.block.generated} is taken as the generated set)" if single else ""
            raise DataError(f"{self.error_prefix}: no {role} rows; give --{role} FILE{taken}")
        return self._from_source(self.source, self.block, role, key or role)

    def _from_source(self, source: str, block: Block, role: Role, key: str) -> Table:
        """A role from any source of the task."""
        try:
            table = SOURCES[source].read(block, role, self.data_dir)
        except UnreachableError as error:
            others = join_names(name for name in self.spec.complete_sources() if name != source)
            raise DataError(f"{error}; sources of task {self.spec.name} without network: {others}") from None
        self.origins[key] = table.origin
        self.column_names[key] = block.columns
        return table

    def _checked_rows(self, role: str, table: Table, columns: Columns) -> Rows:
        """A role's rows without the labels to leave out. Filters apply to every role but the generated one."""
        left_out, n_classes = self.leave_out, len(self.spec.labels)
        own = role if self._own(role) else ""
        known = (*self.spec.labels, *left_out)
        rows = checked_rows(table, columns, known, self.spec.clean_label, own, _beside(self.spec, self.places))
        if own and by_position(table, columns.label, self.spec.labels):
            order = join_names(f"{number} is {label}" for number, label in enumerate(self.spec.labels))
            self.notes.append(f"the {role} labels in {table.origin} are numbers, read in the task's order: {order}")
        mask = rows.labels < n_classes
        if not mask.all():
            self.notes.append(f"{(~mask).sum():,} of {len(rows):,} {role} rows left out: {join_names(left_out)}")
        if self.filters and role != "generated":
            mask &= filter_mask(table, self.spec, self.filters)
            filters = ", ".join(f"{name}={value:g}" for name, value in self.filters.items())
            self.notes.append(f"{filters}: keeps {mask.sum():,} of {len(rows):,} {role} rows")
        return rows if mask.all() else rows.take(mask)


def _beside(spec: TaskSpec, places: Container[Role]) -> str:
    """What messages say of the task's own rows beside those of the user; empty if there are none.

    Without --test, the user's real rows are tested on.
    """
    lacking = [role for role in ROLES if role not in places]
    needed = [role for role in lacking if role != "test"] or lacking
    rows, options = " and ".join(lacking), " and ".join(map(option_name, needed))
    return (
        f", the labels of task {spec.name}, whose {rows} rows are used; for rows of another task, give {options} too"
        if lacking
        else ""
    )


def _block(spec: TaskSpec, source: str, places: Mapping[Role, str | Table]) -> Block:
    """The source's block of a task. Raises `DataError` if the task has no real rows in the source."""
    if len(places) == len(ROLES):
        return FilesBlock()
    usable = spec.complete_sources()
    if source not in SOURCES:
        known = f"task {spec.name} has: {join_names(usable)}"
        raise DataError(f"no source {source!r}; {known}{did_you_mean(source, SOURCES)}")
    if source not in usable:
        lacking = "real rows in source" if source in spec.sources else "source"
        raise DataError(f"task {spec.name} has no {lacking} {source}; give --source with one of: {join_names(usable)}")
    return spec.sources[source]
