"""Divides the real rows into those that are tested and those that train; removes rows that repeat tested ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from tasks.cross_validation import FOLDS, TOGETHER, check_rows, clusters_ignored, fold_count, note, showed_examples
from tasks.draw import TEST_SEED, draw_together
from tasks.errors import DataError, plural
from tasks.findings import Finding, Level
from tasks.loading.clusters import together
from tasks.loading.copies import without_copies, without_repeats
from tasks.roles import FILES
from tasks.rows import Rows

if TYPE_CHECKING:
    from tasks.loading.read_roles import Reader

TestSize = int | Literal["default"] | None
# With fewer real rows, half of them make too small a test: at 50 rows an accuracy is known to within 14 points.
MINIMUM_TO_SPLIT = 100
IN_TEST = "in the test"


def division(
    reader: Reader, rows: Mapping[str, Rows], test_size: TestSize, requested: int | None, drop_copies: bool
) -> tuple[Rows, Rows, int]:
    """The rows that are tested, the pool of real rows, and the number of folds; with folds both are the same rows."""
    if folds := _folds(reader, rows, test_size, requested):
        real = without_repeats(rows["real"], reader.notes) if drop_copies else rows["real"]
        numbers = together(real, reader.notes)
        pool = real if numbers is None else replace(real, hidden={**real.hidden, TOGETHER: numbers})
        check_rows(pool, reader.spec.labels, folds, reader.error_prefix)
        reader.notes.append(note(len(pool), folds) + clusters_ignored(pool))
        return pool, pool, folds
    if "test" in rows:
        return rows["test"], rows["real"], 0
    return *_held_out(reader, rows, test_size), 0


def untested(
    reader: Reader, generated: Rows, held: Rows, pool: Rows, folds: int, drop_copies: bool
) -> tuple[Rows, Rows]:
    """The generated rows and the pool without rows whose text is tested, and with `drop_copies` without near copies."""
    notes, prefix, keys = reader.notes, reader.error_prefix, set(held.keys)
    where = "among the real rows, which are the test too" if folds else IN_TEST
    generated = without_texts(keys, generated, "generated rows", prefix, notes, where)
    if not folds:
        pool = without_texts(keys, pool, "real rows", prefix, notes)
    if drop_copies:
        copies = "generated rows that repeat a real or test row"
        generated = without_copies(generated, (held, pool), copies, prefix, notes)
        if not folds:
            pool = without_copies(pool, (held,), "real rows that repeat a test row", prefix, notes)
    return generated, pool


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
        reader.findings.append(Finding("few-shot", Level.FIX, "the generator saw real rows", text))
    return count


def _held_out(reader: Reader, roles: Mapping[str, Rows], test_size: TestSize) -> tuple[Rows, Rows]:
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
        raise DataError(
            f"{what} leaves none of the {len(rows)} real rows; lower test under split in the task's YAML, or give "
            "--test FILE"
        )
    # The tests of registered tasks stay those that were published.
    clusters = None if split and reader.registered else together(rows, reader.notes)
    held = draw_together(reader.spec.name, rows, TEST_SEED, size, what, clusters)
    if split is None:
        fewer = isinstance(test_size, int) and test_size < len(held)
        are = f"held out; {test_size:,} of them are the test (--test-size), and the others" if fewer else "the test and"
        reader.notes.append(
            f"no test set was given: {len(held):,} of the {len(rows):,} real rows, stratified by label and chosen by a "
            f"hash of their text, are {are} are not trained on"
        )
    rest = rows.take(np.setdiff1d(np.arange(len(rows)), held))
    return rows.take(held), roles["real"] if "held" in roles else rest


def without_texts(
    test_keys: set[str], rows: Rows, what: str, prefix: str, notes: list[str], where: str = IN_TEST
) -> Rows:
    """The rows whose text is not in the test; a note counts the others. Raises `DataError` if none is left."""
    mask = np.array([key not in test_keys for key in rows.keys], dtype=np.bool_)
    removed = len(rows) - int(mask.sum())
    if removed == len(rows):
        raise DataError(f"{prefix}: all {removed:,} {what} are also {where}; give other rows in one of the two roles")
    if removed:
        notes.append(f"removed {removed:,} of {len(rows):,} {what} whose text is also {where}")
    return rows.take(mask) if removed else rows
