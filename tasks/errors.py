"""The error for wrong data or a wrong description of a task, and the parts that its messages share.

A message is one line: what is wrong, in which file and row, and which name, option or file mends it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

MAX_CHARACTERS = 60  # of a value shown in a message
MAX_NAMES = 12  # listed in a message


class DataError(ValueError):
    """The user's data or task description cannot be used. The message is one line for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))  # names of files and columns may hold line ends


def closest(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name most similar to `name`, upper and lower case being the same; None if none is similar enough.

    `cutoff` in [0, 1] is the least similarity, as in `difflib.get_close_matches`.
    """
    by_lower_case = {entry.lower(): entry for entry in known}
    matches = difflib.get_close_matches(str(name).lower(), by_lower_case, n=1, cutoff=cutoff)
    return by_lower_case[matches[0]] if matches else None


def did_you_mean(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The end of a message about an unknown name: `; did you mean 'x'?`, or nothing if no known name is similar."""
    match = closest(name, known, cutoff=cutoff)
    return "" if match is None else f"; did you mean {match!r}?"


def did_you_mean_or_all(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """The end of a message about an unknown name: `; did you mean 'x'?`, or all known names: `; known: a, b`.

    `known` is listed in its own order and uncut: a reader who is far from every name needs all of them.
    """
    names = list(known)
    return did_you_mean(name, names, cutoff=cutoff) or f"; known: {', '.join(names) or 'none'}"


def join_names(names: Iterable[object]) -> str:
    """`a, b, c`. Of more than `MAX_NAMES` names the rest is counted: `a, b and 3 more`; without names it is `none`."""
    entries = [str(name) for name in names]
    rest = len(entries) - MAX_NAMES
    return ", ".join(entries[:MAX_NAMES]) + (f" and {rest} more" if rest > 0 else "") if entries else "none"


def plural(number: int, noun: str) -> str:
    """A count with its noun: `1 row`, `1,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def short_repr(value: object) -> str:
    """The `repr` of a value, cut after `MAX_CHARACTERS`."""
    text = repr(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."


def contents(folder: Path) -> str:
    """What a folder holds, for a message: `data holds a.csv, b.csv`, or `data is empty`."""
    names = sorted(entry.name for entry in folder.iterdir())
    return f"{folder} holds {join_names(names)}" if names else f"{folder} is empty"


def missing_file(path: Path) -> DataError:
    """The error for a file that does not exist. It lists what the nearest existing folder holds."""
    if path.is_dir():
        return DataError(f"{path}: this is a folder, not a file")
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    first_missing_part = path.relative_to(folder).parts[0]
    hint = did_you_mean(first_missing_part, (entry.name for entry in folder.iterdir()))
    return DataError(f"{path}: no such file; {contents(folder)}{hint}")
