"""Rows that repeat others, in one role or in two: what is left out, and findings on what leaks into the test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from tasks.data import TaskData
from tasks.errors import DataError, short_repr, verb
from tasks.findings import Finding, Level
from tasks.loading.near_duplicates import MOST_TEXTS, SHARED, Repeats, near_duplicates
from tasks.roles import ROLES
from tasks.rows import Rows

MANY = 0.1  # share of the rows of a role; with fewer, repeats are no finding, and other findings need not be fixed
LEAK = 0.01  # share of the test rows; fewer copies among the rows of training change accuracy by less than a point
DROP = "--drop-copies leaves them out"
ALL = "without them, none is left"
LISTED = "bench validate --json lists their row numbers"


def without_repeats(rows: Rows, notes: list[str]) -> Rows:
    """The first of all real rows that are near copies of each other, so that none is trained on and tested."""
    first = np.unique(np.array(rows.near_keys, dtype=object), return_index=True)[1]
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


def copy_findings(data: TaskData, what: str, of: str) -> Iterator[Finding]:
    """Findings on rows with the text of another role's row, and on those that differ only in punctuation or case."""
    rows, others = data.roles[what], data.roles[of]
    exact = repeats_of(what, rows.keys, of, others.keys)
    if exact.pairs:
        other = sum(bool(rows.labels[row] != others.labels[place]) for row, place in exact.pairs)
        has = verb(len(exact.pairs), "has", "have")
        how = f"{has} the text of {_row_of(exact)}" + (f", {other:,} of them with another label" if other else "")
        yield found(data, exact, "copies", "copies", how, DROP if len(exact.pairs) < len(rows) else ALL)
    near = repeats_of(what, rows.near_keys, of, others.near_keys, {row for row, _ in exact.pairs})
    yield from _punctuation(data, near)


def repeats_of(
    role: str, keys: Sequence[str], other_role: str, others: Sequence[str], known: Collection[int] = ()
) -> Repeats:
    """The rows of a role, without those at the positions `known`, whose key is that of a row of another role."""
    first = {key: place for place, key in reversed(list(enumerate(others)))}
    pairs = [(row, first[key]) for row, key in enumerate(keys) if key in first and row not in known]
    repeated = {keys[row] for row, _ in pairs}
    return Repeats(
        role, other_role, tuple(pairs), frozenset(place for place, key in enumerate(others) if key in repeated)
    )


def _punctuation(data: TaskData, near: Repeats) -> Iterator[Finding]:
    if near.pairs:
        how = f"{verb(len(near.pairs), 'differs', 'differ')} from {_row_of(near)} only in punctuation or case"
        yield found(data, near, "punctuation", "copies apart from punctuation", how, DROP)


def near_findings(data: TaskData) -> Iterator[Finding]:
    """A finding for each two roles, and for each role in itself, with near duplicates by MinHash."""
    near = near_duplicates(data.roles)
    if near is None:
        text = f"near duplicates were not looked for, because there are more than {MOST_TEXTS:,} rows"
        yield Finding("near-duplicates", Level.CARE, "near duplicates were not looked for", text)
        return
    for one in near:
        repeat = verb(len(one.pairs), "repeats", "repeat")
        how = f"nearly {repeat} {_row_of(one)} (at least {100 * SHARED:.0f} % of their pairs of words in common)"
        yield found(data, one, "near-duplicates", "near duplicates", how, LISTED)


def _row_of(repeats: Repeats) -> str:
    return f"{'an earlier' if repeats.role == repeats.other_role else 'a'} {repeats.other_role} row"


def found(data: TaskData, repeats: Repeats, kind: str, noun: str, how: str, advice: str) -> Finding:
    """The finding on rows that repeat others; `how` they do so, in words.

    All rows that are repeated count as trained on where they are tested: accuracy on them says nothing.
    """
    what, of = repeats.role, repeats.other_role
    rows, others = data.roles[what], data.roles[of]
    row, other = repeats.pairs[0]
    texts = [short_repr(rows.texts[row])]
    if rows.keys[row] != others.keys[other]:
        texts.append(short_repr(others.texts[other]))
    example = f", such as {' and '.join(texts)}"
    text = f"{len(repeats.pairs):,} of {len(rows):,} {what} rows {how}{example}; {advice}"
    trained = of == "real" if data.folds else of == "test" and what != "test"  # with folds the real rows are the test
    tested = len(repeats.others) / len(others)
    if trained:
        text += f"; accuracy may be up to {max(100 * tested, 0.1):.1f} points too high"
    # A generated set that holds the real rows cannot show what generated rows are worth.
    mixed = (what, of) == ("generated", "real") and len(repeats.pairs) >= MANY * len(rows)
    between = f"among {what} rows" if what == of else f"of {of} rows among {what} rows"
    return Finding(
        kind,
        Level.FIX if mixed or (trained and tested >= LEAK) else Level.CARE,
        f"{noun} {between} ({len(repeats.pairs):,})",
        text,
        (what, of),
        tuple((int(rows.ids[row]), int(others.ids[other])) for row, other in repeats.pairs),
        example,
    )


def refuse_same_rows(rows: Mapping[str, Rows], names: Mapping[str, str]) -> None:
    """Raise `DataError` if two roles have the same rows: the same texts with the same labels, in the same order.

    So a file that is typed twice is found, and a copy of it, the same split of a data set, and rows in memory; and no
    file that has columns of its own for each role. `names` are those of what the rows were read from, by role.
    """
    for one, other in combinations([role for role in ROLES if role in rows], 2):
        first, second = rows[one], rows[other]
        if (first.texts, first.pairs, first.labels.tolist()) == (second.texts, second.pairs, second.labels.tolist()):
            raise DataError(same_rows(one, names[one], other, names[other]))


def same_rows(one: str, first: str, other: str, second: str) -> str:
    """The message on the same rows in two roles, each read from a file or another place."""
    places = first if first == second else f"{first} and {second}"
    excel = "; of an Excel workbook one sheet is read, so save each sheet as a file" if ".xlsx" in places else ""
    return f"the {one} rows and the {other} rows are the same, those of {places}{excel}; each role needs its own rows"
