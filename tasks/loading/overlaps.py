"""Copies and near copies of rows between roles, pairs of identical texts, conflicting labels and rare classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from tasks.data import TaskData
from tasks.errors import DataError, plural, short_repr
from tasks.findings import Finding, Level
from tasks.loading.near_duplicates import MOST_TEXTS, SHARED, near_duplicates
from tasks.rows import Rows

MOST_ROWS = 200_000  # with more rows, near copies are not counted: that would take longer than reading the files
RARE = 10  # rows of a class; with fewer test rows, its recall changes by more than 10 points with one row
MOST_RARE = 5  # classes that a finding names
MANY = 0.1  # share of the rows of a role; with fewer, repeats are no finding, and other findings need not be mended
LEAK = 0.01  # share of the test rows; fewer copies among the rows of training change accuracy by less than a point
DROP = "--drop-copies leaves them out"
LISTED = "bench validate --json lists their row numbers"


def data_findings(data: TaskData) -> Iterator[Finding]:
    """The findings about the rows of a task. Near duplicates, which take time, are looked for in rows of the user."""
    if sum(map(len, data.roles.values())) > MOST_ROWS:
        text = f"copies of rows between roles were not counted, because there are more than {MOST_ROWS:,} rows"
        yield Finding("copies", Level.CARE, "copies were not counted", text)
    else:
        for what, of in combinations(data.roles, 2):
            yield from _copies(data, what, of)
        if data.columns:
            yield from near_findings(data)
    for what, rows in data.roles.items():
        yield from _conflicts(what, rows, data.spec.labels)
        if data.columns:
            yield from _repeats(what, rows)
        yield from _identical_sides(what, rows, data.spec.labels)
    yield from _rare_classes(data)
    yield from absent_classes(data)


def absent_classes(data: TaskData) -> Iterator[Finding]:
    """A finding for each class without a generated row."""
    for label, name in enumerate(data.spec.labels):
        if not (data.generated.labels == label).any():
            text = f"the generated set has no row of class {name}: nothing that is trained on it alone can predict it"
            yield Finding("absent-class", Level.MEND, f"no generated row of class {name}", text, ("generated",))


def _rare_classes(data: TaskData) -> Iterator[Finding]:
    test = "real" if data.folds else "test"
    for role, rows in data.roles.items():
        if role == "generated":
            continue
        counts = np.bincount(rows.labels, minlength=len(data.spec.labels))
        rare = [f"{name} {count}" for name, count in zip(data.spec.labels, counts, strict=True) if count < RARE]
        if not rare or len(rows) < RARE * len(counts):
            continue
        listed = ", ".join(rare[:MOST_RARE]) + (", ..." if len(rare) > MOST_RARE else "")
        few = f"fewer than {RARE} rows of {plural(len(rare), 'class')} ({listed})"
        if role == test:
            where = "the real rows, which are the test too, have" if data.folds else "the test has"
            text = f"{where} {few}: their recall, and macro-F1 with it, says little"
        else:
            text = f"the {role} rows have {few}: a small real set teaches little about them"
        yield Finding("rare-class", Level.CARE, f"{plural(len(rare), 'rare class')} in the {role} rows", text, (role,))


def without_repeats(rows: Rows, notes: list[str]) -> Rows:
    """The first of all real rows that are near copies of each other, so that none is taught and tested."""
    first = np.unique(np.array(rows.near_keys), return_index=True)[1]
    if len(first) == len(rows):
        return rows
    repeats = f"{len(rows) - len(first):,} of {len(rows):,} real rows that repeat an earlier real row"
    notes.append(f"left out {repeats}, apart from punctuation (--drop-copies)")
    return rows.take(np.sort(first))


def without_copies(rows: Rows, others: Sequence[Rows], what: str, prefix: str, notes: list[str]) -> Rows:
    """The rows that are no near copies of rows of other roles. A note counts those, which are `what`.

    Raises `DataError` if none is left.
    """
    keys = {key for role in others for key in role.near_keys}
    mask = np.array([key not in keys for key in rows.near_keys], dtype=np.bool_)
    if not mask.any():
        raise DataError(f"{prefix}: --drop-copies leaves no row, because all {len(rows):,} are {what}")
    if mask.all():
        return rows
    notes.append(f"left out {(~mask).sum():,} of {len(rows):,} {what}, apart from punctuation (--drop-copies)")
    return rows.take(mask)


def _copies(data: TaskData, what: str, of: str) -> Iterator[Finding]:
    """Findings on rows with the text of another role's row, and on those that differ in punctuation alone."""
    rows, others = data.roles[what], data.roles[of]
    exact = {key: place for place, key in reversed(list(enumerate(others.keys)))}
    same = [(row, exact[key]) for row, key in enumerate(rows.keys) if key in exact]
    if same:
        other = sum(bool(rows.labels[row] != others.labels[place]) for row, place in same)
        example = f", such as {short_repr(rows.texts[same[0][0]])}"
        text = (
            f"{len(same):,} of {len(rows):,} {what} rows have the text of a {of} row"
            + (f", {other:,} of them with another label" if other else "")
            + f"{example}; {DROP}"
        )
        yield found(data, "copies", "copies", what, of, same, text, example)
    places = {key: row for row, key in enumerate(others.near_keys)}
    copied = {row for row, _ in same}
    near = [(row, places[key]) for row, key in enumerate(rows.near_keys) if key in places and row not in copied]
    if near:
        example = f", such as {short_repr(rows.texts[near[0][0]])} and {short_repr(others.texts[near[0][1]])}"
        text = (
            f"{len(near):,} of {len(rows):,} {what} rows differ from a {of} row in punctuation alone{example}; {DROP}"
        )
        yield found(data, "punctuation", "copies apart from punctuation", what, of, near, text, example)


def near_findings(data: TaskData) -> Iterator[Finding]:
    """A finding for each two roles, and for each role in itself, with near duplicates by MinHash."""
    pairs = near_duplicates(data.roles)
    if pairs is None:
        text = f"near duplicates were not looked for, because there are more than {MOST_TEXTS:,} rows"
        yield Finding("near-duplicates", Level.CARE, "near duplicates were not looked for", text)
        return
    by_roles: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for pair in pairs:
        by_roles.setdefault((pair.role, pair.other_role), []).append((pair.row, pair.other))
    for (what, of), near in by_roles.items():
        rows, others = data.roles[what], data.roles[of]
        of_row = f"an earlier {of} row" if what == of else f"a {of} row"
        one, other = near[0]
        example = f", such as {short_repr(rows.texts[one])} and {short_repr(others.texts[other])}"
        text = (
            f"{len(near):,} of {len(rows):,} {what} rows nearly repeat {of_row} (at least {100 * SHARED:.0f} % of "
            f"their pairs of words in common){example}; {LISTED}"
        )
        yield found(data, "near-duplicates", "near duplicates", what, of, near, text, example)


def found(
    data: TaskData, kind: str, noun: str, what: str, of: str, pairs: Sequence[tuple[int, int]], text: str, example: str
) -> Finding:
    """A finding on rows of role `what`, each with the row of role `of` that it repeats."""
    rows, others = data.roles[what], data.roles[of]
    taught = of == "real" if data.folds else of == "test" != what  # with folds the real rows are the test
    tested = len({other for _, other in pairs}) / len(others)
    if taught:
        text += f"; accuracy may be up to {max(100 * tested, 0.1):.1f} points too high"
    # A generated set that holds the real rows cannot show what generated rows are worth.
    mixed = (what, of) == ("generated", "real") and len(pairs) >= MANY * len(rows)
    between = f"among {what} rows" if what == of else f"of {of} rows among {what} rows"
    return Finding(
        kind,
        Level.MEND if mixed or (taught and tested >= LEAK) else Level.CARE,
        f"{noun} {between} ({len(pairs):,})",
        text,
        (what, of),
        tuple((int(rows.ids[row]), int(others.ids[other])) for row, other in pairs),
        example,
    )


def _conflicts(what: str, rows: Rows, labels: Sequence[str]) -> Iterator[Finding]:
    """A finding on texts that occur with several labels."""
    by_text: dict[str, dict[int, int]] = {}  # text -> label -> its first row
    for row, (key, label) in enumerate(zip(rows.keys, rows.labels.tolist(), strict=True)):
        by_text.setdefault(key, {}).setdefault(label, row)
    several = [places for places in by_text.values() if len(places) > 1]
    if several:
        count = sum(len(by_text[key]) > 1 for key in rows.keys)
        names = ", ".join(labels[label] for label in several[0])
        example = f", such as {short_repr(rows.texts[min(several[0].values())])} ({names})"
        verb = "has" if len(several) == 1 else "have"
        text = (
            f"{plural(len(several), 'text')} of the {what} rows {verb} more than one label ({count:,} of {len(rows):,} "
            f"rows){example}"
        )
        numbers = tuple(tuple(int(rows.ids[row]) for row in places.values()) for places in several)
        short = f"conflicting labels among {what} rows ({count:,})"
        level = Level.MEND if count >= MANY * len(rows) else Level.CARE
        yield Finding("conflicting-labels", level, short, text, (what,), numbers, example)


def _repeats(what: str, rows: Rows) -> Iterator[Finding]:
    """A finding on a role of which many rows repeat the text of an earlier row."""
    first: dict[str, int] = {}
    pairs = [(row, first.setdefault(key, row)) for row, key in enumerate(rows.keys)]
    again = [(row, of) for row, of in pairs if row != of]
    if len(again) >= MANY * len(rows):
        example = f", such as {short_repr(rows.texts[again[0][0]])}"
        text = f"{len(again):,} of {len(rows):,} {what} rows have the text of an earlier {what} row{example}"
        numbers = tuple((int(rows.ids[row]), int(rows.ids[of])) for row, of in again)
        short = f"repeated {what} rows ({len(again):,})"
        yield Finding("repeats", Level.CARE, short, text, (what, what), numbers, example)


def _identical_sides(what: str, rows: Rows, labels: Sequence[str]) -> Iterator[Finding]:
    """A finding on pairs of two identical texts."""
    if rows.pairs is None:
        return
    sides = (key.split("\n") for key in rows.keys)
    same = np.array([one == other for one, other in sides], dtype=np.bool_)
    if same.any():
        counts = np.bincount(rows.labels[same], minlength=len(labels))
        listed = ", ".join(f"{name} {count:,}" for name, count in zip(labels, counts, strict=True) if count)
        text = f"{same.sum():,} of {len(rows):,} {what} pairs consist of two identical texts (by label: {listed})"
        numbers = tuple((int(number),) for number in rows.ids[same])
        short = f"identical sides of {what} pairs ({same.sum():,})"
        level = Level.MEND if same.mean() >= MANY else Level.CARE
        yield Finding("identical-sides", level, short, text, (what,), numbers)
