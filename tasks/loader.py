"""Load a task: read each role, check it, split it, and remove what the test also has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.checks import checked_options, checked_rows, kept
from tasks.columns import ColumnRole, Columns, columns_of, discovered, same_shape
from tasks.draw import draw
from tasks.errors import DataError, listed, nearest
from tasks.hub import UnreachableError
from tasks.places import FILES, read_place
from tasks.rows import LEAST_REAL, MINIMUM_PER_CLASS, Rows, TaskData
from tasks.sources import SOURCES, Block, FilesBlock, Role
from tasks.spec import TaskSpec, base_folder, load_spec
from tasks.tables import Table

TestSize = int | Literal["default"] | None

# The roles that the user can give a place for; with all of them no source of the task is read.
GIVEN = ("generated", "real", "test")
# The seed of the draws that no seed of a run may change.
TEST_SEED = "test"
# Half of fewer real rows is no test set to speak of: at 50 rows an accuracy is known to within 14 points.
LEAST_SPLIT = 100


def load_task(
    name: str | Path,
    source: str,
    data_dir: Path | None,
    options: Mapping[str, object],
    test_size: TestSize,
    places: Mapping[Role, str],
) -> TaskData:
    """See `tasks.load`."""
    reader = _Reader(name, source, data_dir, options, places)
    rows = reader.rows()
    spec, notes, where = reader.spec, reader.notes, reader.where
    held, pool = (rows["test"], rows["real"]) if "test" in rows else _split(reader, rows)
    notes += _absent_classes(spec, rows["generated"])
    held_keys = set(held.keys)
    default_test = min(spec.sizes.test, len(held))
    default_real = spec.sizes.real["default"]
    if "real" not in places:
        default_real = spec.sizes.real.get(reader.source, default_real)
    validation = rows.get("validation")
    generated = _without(held_keys, rows["generated"], "generated rows", where, notes)
    pool = _without(held_keys, pool, "real rows", where, notes)
    data = TaskData(
        spec=spec,
        source=reader.described(),
        generated=generated,
        pool=pool,
        test=_test(spec, where, held, default_test if test_size == "default" else test_size),
        validation=None if validation is None else _without(held_keys, validation, "validation rows", where, notes),
        notes=tuple(notes),
        stand_in=SOURCES[reader.source].stand_in and not {"real", "test"} <= set(places),
        # What a task states is what it needs; of the user's own rows we take what is there.
        default_real=max(LEAST_REAL, min(default_real, len(pool)))
        if "real" in places or spec.name == FILES
        else default_real,
        default_test=default_test,
        where=where,
        origins=reader.origins,
    )
    _check_classes(data)
    return data


class _Reader:
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
        elif self.block.split is not None and "real" in self.places:
            tables["held"] = self.own("real", "held")
        if self.block.validation is not None:
            tables["validation"] = self.own("validation")
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
        return self.read(self.source, role, kept_as or role)

    def read(self, source: str, role: Role, kept_as: str) -> Table:
        """A role from some source of the task."""
        try:
            table = SOURCES[source].read(self.spec.sources[source], role, self.data_dir)
        except UnreachableError as error:
            others = [name for name in self.spec.complete_sources() if name != source]
            raise DataError(f"{error}; sources of task {self.spec.name} without network: {listed(others)}") from None
        self.origins[kept_as] = table.origin
        self.renamed[kept_as] = self.spec.sources[source].columns
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
                return self.read(other, "generated", "generated")
        return self.own("generated")

    def _has_generated(self, source: str) -> bool:
        """Whether a source of the task can be expected to have the generated set."""
        block = self.spec.sources.get(source, self.block)
        if source == "local" and source != self.source and self.data_dir is None:
            return False
        return SOURCES[source].has(block, "generated", self.data_dir)

    def checked(self, role: str, table: Table, columns: Columns) -> Rows:
        """A role's rows; for roles that are not generated with the filters applied."""
        labels = self.spec.labels
        rows = checked_rows(table, columns, (*labels, *self.block.leave_out), self.spec.clean_label)
        if self.block.leave_out and (rows.labels >= len(labels)).any():
            taken = rows.take(rows.labels < len(labels))
            out = listed(self.block.leave_out)
            self.notes.append(f"{len(rows) - len(taken):,} of {len(rows):,} {role} rows left out: {out}")
            return taken
        if role == "generated" or not self.filters:
            return rows
        filtered = rows.take(kept(table, self.spec, self.filters))
        asked = ", ".join(f"{name}={value:g}" for name, value in self.filters.items())
        self.notes.append(f"{asked}: keeps {len(filtered):,} of {len(rows):,} {role} rows")
        return filtered

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


def _split(reader: _Reader, roles: Mapping[str, Rows]) -> tuple[Rows, Rows]:
    """Test rows, held out of the real rows of the source, and the pool."""
    rows = roles.get("held", roles["real"])
    split, most = reader.block.split, reader.spec.sizes.test
    if split is None and len(rows) < LEAST_SPLIT:
        raise DataError(
            f"{reader.where}: no test set, and {len(rows)} real rows are too few to hold one out: at least "
            f"{LEAST_SPLIT} are needed, or --test FILE"
        )
    size = split.test if split else min(most, len(rows) // 2)
    what = f"{reader.where}: a test of {size} rows"
    if size >= len(rows):
        raise DataError(f"{what} leaves none of the {len(rows)} real rows")
    held = draw(reader.spec, rows, TEST_SEED, size, what, minimum=1)
    if split is None:
        reader.notes.append(
            f"no test set was given: {size:,} of the {len(rows):,} real rows, stratified by label and chosen by a "
            "hash of their text, are the test and train nothing"
        )
    rest = rows.take(np.setdiff1d(np.arange(len(rows)), held))
    return rows.take(held), roles["real"] if "held" in roles else rest


def _test(spec: TaskSpec, where: str, held: Rows, size: int | None) -> Rows:
    """At most `size` of the held-out rows. The rest stays out of training, so that its size changes nothing else."""
    if size is None or size >= len(held):
        return held
    return held.take(draw(spec, held, TEST_SEED, size, f"{where}: a test of {size} rows", minimum=1))


def _without(test_keys: set[str], rows: Rows, what: str, where: str, notes: list[str]) -> Rows:
    """Rows whose text is not in the test; a note counts those that are. Raises `DataError` if none is left."""
    mask = np.array([key not in test_keys for key in rows.keys], dtype=np.bool_)
    removed = len(rows) - int(mask.sum())
    if removed == len(rows):
        raise DataError(f"{where}: all {removed:,} {what} are also in the test")
    if removed:
        notes.append(f"removed {removed:,} of {len(rows):,} {what} whose text is also in the test")
    return rows.take(mask) if removed else rows


def _absent_classes(spec: TaskSpec, generated: Rows) -> list[str]:
    present = set(generated.labels.tolist())
    return [f"the generated set has no row of class {name}" for i, name in enumerate(spec.labels) if i not in present]


def _check_classes(data: TaskData) -> None:
    """Raise `DataError` where a class cannot be learnt or tested."""
    for label, name in enumerate(data.spec.labels):
        if not (data.test.labels == label).any():
            raise DataError(f"{data.where}: class {name} is absent from the test")
        count = int((data.pool.labels == label).sum())
        if count < MINIMUM_PER_CLASS:
            raise DataError(f"{data.where}: {count} real rows of class {name}; at least {MINIMUM_PER_CLASS} are needed")
