"""Load a task: read each role, check it, split it, and remove what the test also has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.checks import checked_options, checked_rows, kept
from tasks.draw import draw
from tasks.errors import DataError, listed, nearest
from tasks.rows import MINIMUM_PER_CLASS, Rows, TaskData
from tasks.sources import SOURCES, Block, Role
from tasks.spec import TaskSpec, load_spec

TestSize = int | Literal["default"] | None

# The seed of the draws that no seed of a run may change.
TEST_SEED = "test"


def load_task(
    name: str | Path, source: str, data_dir: Path | None, options: Mapping[str, object], test_size: TestSize
) -> TaskData:
    """See `tasks.load`."""
    spec = load_spec(name)
    reader = _Reader(spec, source, data_dir, options)
    generated, real = reader.generated(), reader.human("real")
    held, pool = _split(spec, source, real) if reader.block.split else (reader.human("test"), real)
    validation = reader.human("validation") if reader.block.validation is not None else None
    notes = reader.notes
    notes += _absent_classes(spec, generated)
    held_keys = set(held.keys)
    default_test = min(spec.sizes.test, len(held))
    data = TaskData(
        spec=spec,
        source=source,
        generated=_without(held_keys, generated, "generated rows", notes),
        pool=_without(held_keys, pool, "real rows", notes),
        test=_test(spec, source, held, default_test if test_size == "default" else test_size),
        validation=None if validation is None else _without(held_keys, validation, "validation rows", notes),
        notes=tuple(notes),
        stand_in=SOURCES[source].stand_in,
        default_real=spec.sizes.real.get(source, spec.sizes.real["default"]),
        default_test=default_test,
    )
    _check_classes(data)
    return data


class _Reader:
    """Reads the roles of one task from one source, and notes what readers of a report should know."""

    def __init__(self, spec: TaskSpec, source: str, data_dir: Path | None, options: Mapping[str, object]) -> None:
        self.spec, self.source, self.data_dir = spec, source, data_dir
        self.block = _block(spec, source)
        self.filters = checked_options(spec, options)
        self.notes: list[str] = []

    def generated(self) -> Rows:
        """The generated set; where the source does not have it, the bundled one."""
        source = self.source
        bundled = self.spec.sources.get("bundled")
        has_it = SOURCES[source].has(self.block, "generated", self.data_dir)
        if not has_it and bundled is not None and bundled.generated is not None:
            place = self.block.generated
            self.notes.append(f"generated set: bundled, because source {source} does not have {place or 'one'}")
            source = "bundled"
        elif self.block.generated is None:
            raise DataError(f"task {self.spec.name} has no generated set in source {source}")
        return checked_rows(SOURCES[source].read(self.spec.sources[source], "generated", self.data_dir), self.spec)

    def human(self, role: Role) -> Rows:
        """The rows of a role that is not generated, with the filters applied."""
        table = SOURCES[self.source].read(self.block, role, self.data_dir)
        rows = checked_rows(table, self.spec)
        if not self.filters:
            return rows
        filtered = rows.take(kept(table, self.spec, self.filters))
        asked = ", ".join(f"{name}={value:g}" for name, value in self.filters.items())
        self.notes.append(f"{asked}: keeps {len(filtered):,} of {len(rows):,} {role} rows")
        return filtered


def _block(spec: TaskSpec, source: str) -> Block:
    usable = spec.complete_sources()
    if source not in SOURCES:
        raise DataError(f"no source {source!r}{nearest(source, SOURCES)}; task {spec.name} has: {listed(usable)}")
    if source not in usable:
        lacks = "real rows in source" if source in spec.sources else "source"
        raise DataError(f"task {spec.name} has no {lacks} {source}; sources it has: {listed(usable)}")
    return spec.sources[source]


def _split(spec: TaskSpec, source: str, rows: Rows) -> tuple[Rows, Rows]:
    """Test rows and the rest."""
    split = spec.sources[source].split
    size = split.test if split else 0
    what = f"task {spec.name} (source {source}): a test of {size} rows"
    if size >= len(rows):
        raise DataError(f"{what} leaves none of the {len(rows)} real rows")
    held = draw(spec, rows, TEST_SEED, size, what, minimum=1)
    return rows.take(held), rows.take(np.setdiff1d(np.arange(len(rows)), held))


def _test(spec: TaskSpec, source: str, held: Rows, size: int | None) -> Rows:
    """At most `size` of the held-out rows. The rest stays out of training, so that its size changes nothing else."""
    if size is None or size >= len(held):
        return held
    what = f"task {spec.name} (source {source}): a test of {size} rows"
    return held.take(draw(spec, held, TEST_SEED, size, what, minimum=1))


def _without(test_keys: set[str], rows: Rows, what: str, notes: list[str]) -> Rows:
    """Rows whose text is not in the test; a note counts those that are."""
    mask = np.array([key not in test_keys for key in rows.keys], dtype=np.bool_)
    removed = len(rows) - int(mask.sum())
    if removed:
        notes.append(f"removed {removed:,} of {len(rows):,} {what} whose text is also in the test")
    return rows.take(mask) if removed else rows


def _absent_classes(spec: TaskSpec, generated: Rows) -> list[str]:
    present = set(generated.labels.tolist())
    return [f"the generated set has no row of class {name}" for i, name in enumerate(spec.labels) if i not in present]


def _check_classes(data: TaskData) -> None:
    """Raise `DataError` where a class cannot be learnt or tested."""
    where = f"task {data.spec.name} (source {data.source})"
    if not len(data.generated):
        raise DataError(f"{where}: no generated row is left")
    for label, name in enumerate(data.spec.labels):
        if not (data.test.labels == label).any():
            raise DataError(f"{where}: class {name} is absent from the test")
        count = int((data.pool.labels == label).sum())
        if count < MINIMUM_PER_CLASS:
            raise DataError(f"{where}: {count} real rows of class {name}; at least {MINIMUM_PER_CLASS} are needed")
