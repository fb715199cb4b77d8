"""What is doubtful about the rows of a task: copies, pairs of identical texts, conflicting labels and rare classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from tasks.data import TaskData
from tasks.errors import join_names, plural, short_repr, verb
from tasks.findings import Finding, Level
from tasks.loading.clusters import trained_clusters
from tasks.loading.copies import MANY, copy_findings, near_findings
from tasks.rows import Rows

MOST_ROWS = 200_000  # with more rows, near copies are not counted: that would take longer than reading the files
RARE = 10  # rows of a class; with fewer test rows, its recall changes by more than 10 points with one row
STAND_INS = frozenset({"nan", "none", "null", "n/a", "na", "<na>", "nat", "#n/a", "undefined"})  # texts, normalised
MOST_RARE = 5  # classes that a finding names


def data_findings(data: TaskData, drawn_from: Rows) -> Iterator[Finding]:
    """The findings about the rows of a task. Near duplicates, which take time, are looked for in rows of the user.

    `drawn_from`: the rows that the test was drawn from.
    """
    if sum(map(len, data.roles.values())) > MOST_ROWS:
        text = f"copies of rows between roles were not counted, because there are more than {MOST_ROWS:,} rows"
        yield Finding("copies", Level.CARE, "copies were not counted", text)
    else:
        for what, of in combinations(data.roles, 2):
            yield from copy_findings(data, what, of)
        if data.columns:
            yield from near_findings(data)
    for what, rows in data.roles.items():
        yield from _conflicts(what, rows, data.spec.labels)
        if data.columns:
            yield from _repeats(what, rows)
            yield from _stand_ins(what, rows)
        yield from _identical_sides(what, rows, data.spec.labels)
    yield from trained_clusters(data, drawn_from)
    yield from _rare_classes(data)
    yield from absent_classes(data)


def absent_classes(data: TaskData) -> Iterator[Finding]:
    """A finding if there are classes without a generated row."""
    counts = np.bincount(data.generated.labels, minlength=len(data.spec.labels))
    names = [name for name, count in zip(data.spec.labels, counts, strict=True) if not count]
    if names:
        which, them = ("class", "it") if len(names) == 1 else (f"{plural(len(names), 'class')}:", "them")
        which = f"{which} {join_names(names)}"
        text = f"the generated set has no row of {which}: nothing that is trained on it alone can predict {them}"
        yield Finding("absent-class", Level.FIX, f"no generated row of {which}", text, ("generated",))


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
        has = verb(len(several), "has", "have")
        text = (
            f"{plural(len(several), 'text')} of the {what} rows {has} more than one label ({count:,} of {len(rows):,} "
            f"rows){example}"
        )
        numbers = tuple(tuple(int(rows.ids[row]) for row in places.values()) for places in several)
        short = f"conflicting labels among {what} rows ({count:,})"
        level = Level.FIX if count >= MANY * len(rows) else Level.CARE
        yield Finding("conflicting-labels", level, short, text, (what,), numbers, example)


def _repeats(what: str, rows: Rows) -> Iterator[Finding]:
    """A finding on a role of which many rows repeat the text of an earlier row."""
    first: dict[str, int] = {}
    pairs = [(row, first.setdefault(key, row)) for row, key in enumerate(rows.keys)]
    again = [(row, of) for row, of in pairs if row != of]
    if len(again) >= MANY * len(rows):
        example = f", such as {short_repr(rows.texts[again[0][0]])}"
        has = verb(len(again), "has", "have")
        text = f"{len(again):,} of {len(rows):,} {what} rows {has} the text of an earlier {what} row{example}"
        numbers = tuple((int(rows.ids[row]), int(rows.ids[of])) for row, of in again)
        short = f"repeated {what} rows ({len(again):,})"
        yield Finding("repeats", Level.CARE, short, text, (what, what), numbers, example)


def _stand_ins(what: str, rows: Rows) -> Iterator[Finding]:
    """A finding on texts such as `nan`, which programs write where a text is missing."""
    places = [row for row, key in enumerate(rows.keys) if STAND_INS.intersection(key.split("\n"))]
    if places:
        example = f", such as {short_repr(rows.texts[places[0]])}"
        if rows.pairs is not None:
            example += f" and {short_repr(rows.pairs[places[0]])}"
        counted = f"{len(places):,} of {len(rows):,} {what} rows {verb(len(places), 'has', 'have')}"
        text = (
            f"{counted} a text that mostly stands for a missing one{example}; "
            "if so, empty it in the file, and --skip-empty leaves the row out"
        )
        numbers = tuple((int(rows.ids[row]),) for row in places)
        short = f"{what} texts that stand for missing ones ({len(places):,})"
        yield Finding("stand-in-texts", Level.CARE, short, text, (what,), numbers, example)


def _identical_sides(what: str, rows: Rows, labels: Sequence[str]) -> Iterator[Finding]:
    """A finding on pairs of two identical texts."""
    if rows.pairs is None:
        return
    sides = (key.split("\n") for key in rows.keys)
    same = np.array([one == other for one, other in sides], dtype=np.bool_)
    if same.any():
        counts = np.bincount(rows.labels[same], minlength=len(labels))
        listed = ", ".join(f"{name} {count:,}" for name, count in zip(labels, counts, strict=True) if count)
        consist = verb(same.sum(), "consists", "consist")
        text = f"{same.sum():,} of {len(rows):,} {what} pairs {consist} of two identical texts (by label: {listed})"
        numbers = tuple((int(number),) for number in rows.ids[same])
        short = f"identical sides of {what} pairs ({same.sum():,})"
        level = Level.FIX if same.mean() >= MANY else Level.CARE
        yield Finding("identical-sides", level, short, text, (what,), numbers)
