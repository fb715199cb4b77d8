"""Labels as text, the labels of a task where no YAML fixes them, and what is doubtful about them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.errors import MAX_CHARACTERS, MAX_NAMES, DataError, closest, did_you_mean, join_names, plural
from tasks.findings import Finding, Level
from tasks.reading import Columns, option_name, typed_names
from tasks.roles import ROLES, normalised

if TYPE_CHECKING:
    from tasks.sources.table import Table

WHOLE_NUMBER = re.compile(r"-?\d+\.0+")
MOST_DIGITS = 9  # of a label that counts the names of classes
JOINING = re.compile(r"[,;|/+&]")  # between the parts of a label that joins others


def labels_in(columns: Mapping[str, tuple[Table, Columns]], leave_out: Sequence[str]) -> tuple[str, ...]:
    """The labels of all roles without those to leave out, sorted by name; numbers are sorted by size.

    Raises `DataError` if a row has a label that the real or the test rows lack, because that is mostly another
    spelling.
    """
    labels = {role: _rows_by_label(table, names.label, leave_out) for role, (table, names) in columns.items()}
    for one, other in (("generated", "real"), ("test", "real"), ("real", "test")):
        if one in labels and other in labels:
            _check_known(columns[one][0], labels[one], columns[other][0].name, labels[other], one)
    names = sorted({name for rows in labels.values() for name in rows}, key=_numbers_by_size)
    if len(names) < 2:
        files = join_names(dict.fromkeys(table.name for table, _ in columns.values()))
        raise DataError(
            f"{files}: labels: {join_names(names)}; a task needs at least 2 classes; --label COLUMN takes another "
            "column"
        )
    return tuple(names)


def _rows_by_label(table: Table, column: str, leave_out: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each label. Rows without a label are left out here; a later check reports them."""
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(table.column(column)):
        name = label_name(value, table.label_names)
        if name is not None and name not in leave_out:
            rows.setdefault(name, []).append(row)
    return rows


def label_name(value: Any, names: Sequence[str] | None) -> str | None:
    """A label as text; None if it is missing. `names[i]` is the meaning of integer i, if the file gives one.

    1, 1.0 and "1.0" are the same label, because tables with a missing cell turn 1 into 1.0. Text is a number if no name
    is one: CSV has only text.
    """
    text = _as_text(value)
    if _counts(value, names or ()) and (meant := meaning(text, names or ())) is not None:
        return meant
    return text if text and text.casefold() != "nan" else None


def _as_text(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    return text.partition(".")[0] if WHOLE_NUMBER.fullmatch(text) else text


def _counts(value: Any, names: Sequence[str]) -> bool:
    """Whether a label that is a whole number counts names."""
    return not isinstance(value, bool | str) or not any(map(is_number, names))


def check_named(table: Table, column: str, role: str = "", apart: Collection[str] = ()) -> None:
    """Raise `DataError` for a number in a column to which the card of the table, if it has one, gives no name.

    A file that counts from 1 has such a number, and each of its rows would get the name of another class. Numbers that
    are `apart` have a name by an option, or their rows are left out.
    """
    names = table.label_names or ()
    values = table.column(column) if names else []
    texts = ((row, _as_text(value)) for row, value in enumerate(values) if _counts(value, names))
    numbers = {row: text for row, text in texts if is_number(text)}
    for row, number in numbers.items():
        if meaning(number, names) is None and not {number, str(values[row]).strip()} & {*apart}:
            remedy = f"; --drop-labels={typed_names([number])} leaves its rows out" if role in ROLES else ""
            if (least := min(map(int, numbers.values()))) > 0:  # then the names of the others may be wrong too
                remedy = f"; the lowest number here is {least}: count from 0, or put a name for 0 first there"
            table.fail(
                row,
                f"label {number} has no name: dataset.json beside the file names {plural(len(names), 'class')} by "
                f"numbers from 0 ({names[0]}) to {len(names) - 1} ({names[-1]}){remedy}",
            )


def meaning(text: str, names: Sequence[str]) -> str | None:
    """The name that a whole number counts, from 0; None for another text, or for a number without a name."""
    counts = text.isdecimal() and len(text) <= MOST_DIGITS
    return names[int(text)] if counts and int(text) < len(names) else None


def _check_known(
    table: Table, rows: Mapping[str, list[int]], other: str, known: Mapping[str, list[int]], role: str
) -> None:
    """Raise `DataError` for the first label of a table that the file `other` lacks."""
    for label, places in rows.items():
        if label not in known:
            hint = did_you_mean(label, known)
            if is_number(label) != all(map(is_number, known)):
                # Which number is which name is not in the files, and a guess would exchange labels silently.
                numbers = table.name if is_number(label) else other
                hint = (
                    f"; the labels of {numbers} are numbers without names: write names in their place, or a file "
                    'dataset.json beside it with {"label_names": ["name of 0", "name of 1", ...]}'
                )
            if role in ROLES:
                hint += label_options([name for name in rows if name not in known], known, role)
            table.fail(
                places[0],
                f"label {label!r} ({plural(len(places), 'row')}) is not a label of {other}, which has "
                f"{join_names(sorted(known))}{hint}",
            )


def label_options(unknown: Sequence[str], known: Iterable[str], role: str) -> str:
    """The end of a message about unknown labels of a role: the options that map them or leave their rows out."""
    if len(unknown) > MAX_NAMES or max(map(len, unknown)) > MAX_CHARACTERS:
        return f'; {option_name("labels", role)} "LABEL=NAME,..." maps labels'
    names = list(known)
    close = [closest(label, names) for label in unknown]
    mapped = typed_names(f"{label}={name or 'NAME'}" for label, name in zip(unknown, close, strict=True))
    maps = f"{option_name('labels', role)} {mapped} maps them, " if not any("=" in label for label in unknown) else ""
    return f"; {maps}--drop-labels {typed_names(unknown)} leaves their rows out"


def is_number(label: str) -> bool:
    """Whether a label is a whole number, such as 3 or -1."""
    return label.removeprefix("-").isdecimal()


def _numbers_by_size(label: str) -> tuple[float, str, str]:
    try:
        number = float(label)
    except ValueError:
        number = math.nan
    return (math.inf, label, label) if math.isnan(number) else (number, "", label)


def label_findings(labels: Sequence[str]) -> Iterator[Finding]:
    """Findings on labels of the rows: spellings of one label, and labels that join others, as `joy,anger`."""
    by_spelling: dict[str, list[str]] = {}
    for label in labels:
        by_spelling.setdefault(normalised(label), []).append(label)
    several = [spellings for spellings in by_spelling.values() if len(spellings) > 1]
    if several:
        same = (f"{label}={kept}" for *others, kept in several[:MAX_NAMES] for label in others)
        text = (
            f"labels {join_names(map(repr, several[0]))} differ in case, white space or Unicode form alone and are "
            f"{len(several[0])} classes; --labels {typed_names(same)} makes one of each"
        )
        yield Finding("label-spelling", Level.FIX, f"spellings of a label that are classes ({len(several)})", text)
    joined = [label for label in labels if (parts := _parts(label)) and parts <= {*labels} - {label}]
    if joined:
        verb = "joins" if len(joined) == 1 else "join"
        text = (
            f"{plural(len(joined), 'label')} {verb} others ({join_names(map(repr, joined))}): each is a class of its "
            f"own, because a row has a single class; --drop-labels {typed_names(joined)} leaves their rows out"
        )
        yield Finding("joined-labels", Level.CARE, f"labels that join others ({len(joined)})", text)


def _parts(label: str) -> set[str]:
    """The labels that a label joins; empty for one that joins none."""
    parts = [part.strip() for part in JOINING.split(label)]
    return {*parts} if len(parts) > 1 else set()
