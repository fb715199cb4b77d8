"""Load a task: read each role, check it, split it, and remove what the test also has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.data import TaskData
from tasks.draw import TEST_SEED, draw
from tasks.errors import DataError
from tasks.loading.checks import checked_options
from tasks.loading.read_roles import Reader
from tasks.roles import FILES, LEAST_REAL, MINIMUM_PER_CLASS, Role
from tasks.rows import Rows
from tasks.sources.registry import SOURCES
from tasks.spec import TaskSpec, load_spec

TestSize = int | Literal["default"] | None
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
    if (known := load_spec(name)).process is not None:
        from tasks import oracle

        return oracle.load(known, checked_options(known, options), test_size)
    reader = Reader(name, source, data_dir, options, places)
    rows = reader.rows()
    spec, notes, where = reader.spec, reader.notes, reader.where
    held, pool = (rows["test"], rows["real"]) if "test" in rows else _split(reader, rows)
    notes += _absent_classes(spec, rows["generated"])
    held_keys = set(held.keys)
    default_test = min(spec.sizes.test, len(held))
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
        default_real=_default_real(reader, len(pool)),
        default_test=default_test,
        where=where,
        origins=reader.origins,
    )
    _check_classes(data)
    return data


def _split(reader: Reader, roles: Mapping[str, Rows]) -> tuple[Rows, Rows]:
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


def _default_real(reader: Reader, pool: int) -> int:
    """The size of the small real set. What a task states is what it needs; of the user's rows we take what is there."""
    sizes = reader.spec.sizes.real
    if "real" in reader.places or reader.spec.name == FILES:
        return max(LEAST_REAL, min(sizes["default"], pool))
    return sizes.get(reader.source, sizes["default"])


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
