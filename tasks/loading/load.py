"""Loads a task: reads and checks each role, splits off the test, and removes rows whose text is in the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from tasks.cross_validation import FOLDS, TOGETHER, check_rows, clusters_ignored, fold_count, note, showed_examples
from tasks.data import TaskData
from tasks.draw import TEST_SEED, draw, draw_together
from tasks.errors import DataError, plural
from tasks.findings import Finding, Level
from tasks.loading.checks import checked_options
from tasks.loading.clusters import divisible, with_clusters
from tasks.loading.copies import without_copies, without_repeats
from tasks.loading.generations import divided
from tasks.loading.read_roles import Reader
from tasks.loading.row_findings import absent_classes, data_findings
from tasks.reading import USUAL, Readings, option_name, reading_of, typed_names
from tasks.roles import FILES, MINIMUM_PER_CLASS, MINIMUM_REAL, Role
from tasks.rows import Rows
from tasks.sources.table import Table
from tasks.spec import TaskSpec, load_spec

TestSize = int | Literal["default"] | None
# With fewer real rows, half of them make too small a test: at 50 rows an accuracy is known to within 14 points.
MINIMUM_TO_SPLIT = 100
IN_TEST = "in the test"


def load_task(
    name: str | Path,
    source: str,
    data_dir: Path | None,
    options: Mapping[str, object],
    test_size: TestSize,
    places: Mapping[Role, str | Table],
    readings: Readings = USUAL,
    folds: int | None = None,
    title: str | None = None,
) -> TaskData:
    """Load a task; the arguments are those of `tasks.load`. Raises `DataError`."""
    if (spec := load_spec(name)).process is not None:
        from tasks import oracle

        if unread := [*places, *(["folds"] if folds else [])]:
            raise DataError(f"task {spec.name} draws its rows from a process; leave out {option_name(unread[0])}")
        return oracle.load(spec, checked_options(spec, options), test_size)
    reader = Reader(name, source, data_dir, options, places, readings, title)
    rows = reader.rows()
    spec, notes, prefix = reader.spec, reader.notes, reader.error_prefix  # the spec with the labels of the rows
    folds = _folds(reader, rows, test_size, folds)
    drop_copies = reading_of(readings, "").drop_copies
    if folds:
        real = without_repeats(rows["real"], notes) if drop_copies else rows["real"]
        held = pool = divisible(real, notes)
        check_rows(pool, spec.labels, folds, prefix)
        notes.append(note(len(pool), folds) + clusters_ignored(pool))
    else:
        held, pool = (rows["test"], rows["real"]) if "test" in rows else _split(reader, rows, test_size)
    held_keys = set(held.keys)
    default_test = min(spec.sizes.test, len(held))
    size = default_test if test_size == "default" else test_size
    where = "among the real rows, which are the test too" if folds else IN_TEST
    generated = _without(held_keys, rows["generated"], "generated rows", prefix, notes, where)
    if not folds:
        pool = _without(held_keys, pool, "real rows", prefix, notes)
    if drop_copies:
        copies = "generated rows that repeat a real or test row"
        generated = without_copies(generated, (held, pool), copies, prefix, notes)
        if not folds:
            pool = without_copies(pool, (held,), "real rows that repeat a test row", prefix, notes)
    generations = divided(generated, reader.generations, spec, prefix, notes)
    data = TaskData(
        spec=spec,
        source=reader.described_source(),
        generated=next(iter(generations.values()), generated),
        generations=generations,
        pool=pool,
        test=held if folds else with_clusters(_test(spec, prefix, held, size), notes),
        validation=_validation(rows.get("validation"), held_keys, prefix, notes),
        notes=tuple(notes),
        about=(reader.block.about or "") if not places else "",
        stand_in=reader.block.stand_in and not {"real", "test"} <= set(places),
        default_real=_default_real(reader, len(pool), folds),
        default_test=default_test,
        error_prefix=prefix,
        origins=reader.origins,
        columns=reader.columns,
        folds=folds,
    )
    _check_classes(data)
    return replace(data, findings=(*reader.findings, *data_findings(data)))


def load_to_train(name: str | Path, places: Mapping[Role, str | Table], readings: Readings = USUAL) -> TaskData:
    """The user's own generated and real rows with no test set, for a training that nothing is measured of.

    All real rows are the small real set. `test` holds them too, since a task has a test; it measures nothing. No row is
    left out. Raises `DataError`.
    """
    reader = Reader(name, FILES, None, {}, places, readings)
    rows = reader.rows()
    real = rows["real"]
    generations = divided(rows["generated"], reader.generations, reader.spec, reader.error_prefix, reader.notes)
    data = TaskData(
        spec=reader.spec,
        source=reader.described_source(),
        generated=next(iter(generations.values()), rows["generated"]),
        pool=real,
        test=real,
        validation=None,
        notes=tuple(reader.notes),
        about="",
        stand_in=False,
        default_real=len(real),
        default_test=len(real),
        error_prefix=reader.error_prefix,
        origins=reader.origins,
        columns=reader.columns,
    )
    _check_classes(data)
    return replace(data, findings=(*reader.findings, *absent_classes(data)))


def _folds(reader: Reader, rows: Mapping[str, Rows], test_size: TestSize, requested: int | None) -> int:
    """The number of folds that the real rows are cross-validated in; 0: there is a test set, or one is held out.

    Raises `DataError` if folds are requested for a task with a test set.
    """
    if "test" in rows or reader.block.split is not None:
        if requested:
            raise DataError(f"{reader.error_prefix}: --folds is for real rows without a test set; this task has one")
        return 0
    own = "real" in reader.places or reader.source == FILES
    if requested is None and (isinstance(test_size, int) or not own):
        return 0  # so many rows are to be held out
    count = fold_count(len(rows["real"]), requested)
    if count and showed_examples(rows["generated"]):
        shown = "the prompts of the generated rows showed examples (few-shot)"
        if requested is None:
            reader.notes.append(f"{shown}, and each fold would test some of them; so no folds, but half is held out")
            return 0
        text = f"{shown}; where these are among the real rows, a fold tests rows that the generator saw"
        reader.findings.append(Finding("few-shot", Level.MEND, "the generator saw real rows", text))
    return count


def _split(reader: Reader, roles: Mapping[str, Rows], test_size: TestSize) -> tuple[Rows, Rows]:
    """Split the test off the real rows: the rows held out, and the pool, which do not depend on `test_size`.

    Raises `DataError` if there are too few.
    """
    rows = roles.get("held", roles["real"])
    split, most = reader.block.split, reader.spec.sizes.test
    if split is None and len(rows) < MINIMUM_TO_SPLIT:
        raise DataError(
            f"{reader.error_prefix}: no test set, and {plural(len(rows), 'real row')} are too few to hold one out; "
            f"give at least {MINIMUM_TO_SPLIT} real rows, or --folds {FOLDS} for cross-validation, or --test FILE"
        )
    size = split.test if split else min(most, len(rows) // 2)
    what = f"{reader.error_prefix}: a test of {plural(size, 'row')}"
    if size >= len(rows):
        raise DataError(f"{what} leaves none of the {len(rows)} real rows")
    if split is not None:
        held = draw(reader.spec.name, rows, TEST_SEED, size, what, minimum=1)
    else:
        together = divisible(rows, reader.notes).hidden.get(TOGETHER)
        held = draw_together(reader.spec.name, rows, TEST_SEED, size, what, together)
        fewer = isinstance(test_size, int) and test_size < len(held)
        are = f"held out; {test_size:,} of them are the test (--test-size), and the others" if fewer else "the test and"
        reader.notes.append(
            f"no test set was given: {len(held):,} of the {len(rows):,} real rows, stratified by label and chosen by a "
            f"hash of their text, are {are} are not trained on"
        )
    rest = rows.take(np.setdiff1d(np.arange(len(rows)), held))
    return rows.take(held), roles["real"] if "held" in roles else rest


def _default_real(reader: Reader, pool: int, folds: int) -> int:
    """The size of the small real set. A registered task fixes it; of the user's own rows all are taken up to that."""
    sizes = reader.spec.sizes.real
    if folds:
        return min(sizes["default"], pool - -(-pool // folds))
    if "real" in reader.places or reader.spec.name == FILES:
        return max(MINIMUM_REAL, min(sizes["default"], pool))
    return sizes.get(reader.source, sizes["default"])


def _test(spec: TaskSpec, prefix: str, held: Rows, size: int | None) -> Rows:
    """At most `size` of the held-out rows. The others are not trained on either, so `size` changes only the test."""
    if size is None or size >= len(held):
        return held
    return held.take(draw(spec.name, held, TEST_SEED, size, f"{prefix}: a test of {plural(size, 'row')}", minimum=1))


def _without(test_keys: set[str], rows: Rows, what: str, prefix: str, notes: list[str], where: str = IN_TEST) -> Rows:
    """The rows whose text is not in the test; a note counts the others. Raises `DataError` if none is left."""
    mask = np.array([key not in test_keys for key in rows.keys], dtype=np.bool_)
    removed = len(rows) - int(mask.sum())
    if removed == len(rows):
        raise DataError(f"{prefix}: all {removed:,} {what} are also {where}")
    if removed:
        notes.append(f"removed {removed:,} of {len(rows):,} {what} whose text is also {where}")
    return rows.take(mask) if removed else rows


def _validation(rows: Rows | None, test_keys: set[str], prefix: str, notes: list[str]) -> Rows | None:
    """The validation rows whose text is not in the test; None without any, as where they were chosen as the test."""
    if rows is None:
        return None
    if test_keys.issuperset(rows.keys):
        notes.append(f"all {len(rows):,} validation rows are in the test, so there is no validation part")
        return None
    return _without(test_keys, rows, "validation rows", prefix, notes)


def _check_classes(data: TaskData) -> None:
    """Raise `DataError` if a class has too few rows to be learnt or tested."""
    for label, name in enumerate(data.spec.labels):
        if not (data.test.labels == label).any():
            raise DataError(f"{data.error_prefix}: the test has no row of class {name}{_without_class(data, name)}")
        count = int((data.pool.labels == label).sum())
        if count < MINIMUM_PER_CLASS:
            rows = plural(count, "real row")
            raise DataError(
                f"{data.error_prefix}: {rows} of class {name}; at least {MINIMUM_PER_CLASS} are needed"
                f"{_without_class(data, name)}"
            )


def _without_class(data: TaskData, name: str) -> str:
    """The end of a message on a class with too few rows in files of the user."""
    own = data.spec.name == FILES and data.columns
    return f"; add some, or leave the class out: --drop-labels {typed_names([name])}" if own else ""
