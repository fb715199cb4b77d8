"""Loads a task: reads and checks the rows of each role, and divides them into those that are tested and trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks.data import TaskData
from tasks.draw import TEST_SEED, draw
from tasks.errors import DataError, plural
from tasks.loading.checks import checked_options
from tasks.loading.clusters import with_clusters
from tasks.loading.copies import without_copies
from tasks.loading.division import TestSize, division, untested
from tasks.loading.generations import divided
from tasks.loading.read_roles import Reader
from tasks.loading.row_findings import absent_classes, data_findings
from tasks.reading import Readings, option_name, reading_of, spelling_option, typed_names
from tasks.roles import FILES, MINIMUM_PER_CLASS, MINIMUM_REAL, Role
from tasks.rows import Rows
from tasks.sources.table import Table
from tasks.spec import TaskSpec, load_spec

NO_TEST = (
    "no rows were held out: the test rows are the real rows, which a method may train on; no result on them counts"
)


def load_task(
    name: str | Path,
    source: str,
    data_dir: Path | None,
    options: Mapping[str, object],
    test_size: TestSize,
    places: Mapping[Role, str | Table],
    readings: Readings,
    folds: int | None,
    title: str | None,
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
    drop_copies = reading_of(readings, "").drop_copies
    drawn_from = rows.get("test", rows.get("held", rows["real"]))
    held, pool, folds = division(reader, rows, test_size, folds, drop_copies)
    size = min(spec.sizes.test, len(held)) if test_size == "default" else test_size
    generated, pool = untested(reader, rows["generated"], held, pool, folds, drop_copies)
    generations = divided(generated, list(reader.generations), spec, prefix, notes)
    test = held if folds else _test(spec, prefix, held, size)
    if len(test) < len(held) and _own_test(reader, rows):
        notes.append(
            f"{len(test):,} of the {len(held):,} test rows were drawn, stratified by label; --test-size all takes all"
        )
    data = TaskData(
        spec=spec,
        source=reader.described_source(),
        generated=next(iter(generations.values()), generated),
        generations=generations,
        generation_rows=reader.generations,
        pool=pool,
        test=test if folds else with_clusters(test, notes, drawn_from),
        notes=tuple(notes),
        about=(reader.block.about or "") if not places else "",
        stand_in=reader.block.stand_in and not {"real", "test"} <= set(places),
        default_real=_default_real(reader, len(pool), folds),
        error_prefix=prefix,
        origins=reader.origins,
        columns=reader.columns,
        folds=folds,
        test_of=0 if folds else len(held),
        drawn_from=drawn_from.content_hash(with_labels=False),
    )
    _check_classes(data)
    return replace(data, findings=(*reader.findings, *data_findings(data, drawn_from)))


def load_to_train(name: str | Path, places: Mapping[Role, str | Table], readings: Readings) -> TaskData:
    """The user's own generated and real rows with no test set, for a training that nothing is measured of.

    All real rows are the small real set. `test` holds them too, since a task has a test; it measures nothing, and a
    note says so. Raises `DataError`.
    """
    reader = Reader(name, FILES, None, {}, places, readings)
    rows = reader.rows()
    generated, real = rows["generated"], rows["real"]
    if reading_of(readings, "").drop_copies:
        what = "generated rows that repeat a real row"
        generated = without_copies(generated, (real,), what, reader.error_prefix, reader.notes)
    generations = divided(generated, list(reader.generations), reader.spec, reader.error_prefix, reader.notes)
    data = TaskData(
        spec=reader.spec,
        source=reader.described_source(),
        generated=next(iter(generations.values()), generated),
        pool=real,
        test=real,
        notes=(*reader.notes, NO_TEST),
        about="",
        stand_in=False,
        default_real=len(real),
        error_prefix=reader.error_prefix,
        origins=reader.origins,
        columns=reader.columns,
    )
    _check_classes(data)
    return replace(data, findings=(*reader.findings, *absent_classes(data)))


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
    what = f"{prefix}: a test of {plural(size, 'row')}"
    return held.take(draw(spec.name, held, TEST_SEED, size, what, minimum=1, remedy=" (--test-size {})"))


def _own_test(reader: Reader, rows: Mapping[str, Rows]) -> bool:
    """Whether the test is the user's own file or `split`. The size of a registered task's test is the published one.

    If neither is given, the note on the rows that are held out counts them already.
    """
    named = "test" in rows or reader.block.split is not None
    return "test" in reader.places or (named and not reader.registered)


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
    spelled = spelling_option(name, data.spec.labels)
    return f"{spelled}; add some, or leave the class out: --drop-labels {typed_names([name])}" if own else ""
