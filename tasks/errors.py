"""The error for wrong data or a wrong description of a task, and the parts that its messages share.

A message is one line: what is wrong, in which file and row, and which name, option or file fixes it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

MAX_CHARACTERS = 60  # of a value shown in a message
MAX_NAMES = 12  # listed in a message
MAX_COMPARED = 200  # characters of names that are compared; the time grows with the square
MAX_ERROR = 300  # characters of an exception of a library
MAX_MESSAGE = 2_000  # characters of a message; the start and the end of a longer one stay
# What a terminal obeys instead of showing it (C0, DEL, C1), what reverses the order of a line, and half characters,
# which cannot be written as UTF-8. Tabs and line ends stay.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

PERSON = re.compile(r"//[^/\s]*@")  # the user name and password of an address


class DataError(ValueError):
    """The user's data or task description cannot be used. The message is one line for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def printable(text: str) -> str:
    """The text with control characters as escapes, such as `\\x1b`, for terminals and reports."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def without_password(text: str) -> str:
    """An address, or a text with addresses, without user names and passwords."""
    return PERSON.sub("//", text)


def one_line(message: str) -> str:
    """A message as one printable line of at most `MAX_MESSAGE` characters: names and values may hold anything.

    Addresses, such as that of a server or a proxy in a variable, are shown without user names and passwords.
    """
    line = printable(without_password(" ".join(message.splitlines())))
    half = (MAX_MESSAGE - 5) // 2
    return line if len(line) <= MAX_MESSAGE else f"{line[:half]} ... {line[-half:]}"


def in_a_line(error: BaseException) -> str:
    """What an exception of a library says, in one line without passwords, cut; its kind if it says nothing."""
    text = without_password(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= MAX_ERROR else f"{text[:MAX_ERROR]}..."


def user_path(text: str | Path) -> Path:
    """A path as the user wrote it, `~` being a home folder. Raises `DataError` for the home of an unknown user."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DataError(f"{text}: no such user; write ./{text} for a folder of this name") from None


def broken_link(path: Path) -> str:
    """What is wrong with a path that is a link to nothing; empty for another path."""
    if not path.is_symlink() or os.path.exists(path):
        return ""
    return f"{path.name} is a link to {os.readlink(path)}, which does not exist; make the link anew"


def closest(name: object, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name most similar to `name`, upper and lower case being the same; None if none is similar enough.

    `cutoff` in [0, 1] is the least similarity, as in `difflib.get_close_matches`.
    """
    by_lower_case = {entry.lower(): entry for entry in known if len(entry) <= MAX_COMPARED}
    if len(str(name)) > MAX_COMPARED:
        return None
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


def join_names(names: Iterable[object], most: int = MAX_NAMES) -> str:
    """`a, b, c`. Of more than `most` names the rest is counted: `a, b and 3 more`; without names it is `none`."""
    entries = [str(name) for name in names]
    rest = len(entries) - most
    return ", ".join(entries[:most]) + (f" and {rest} more" if rest > 0 else "") if entries else "none"


def plural(number: int, noun: str) -> str:
    """A count with its noun: `1 row`, `1,000 rows`, `2 classes`."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"


def verb(number: int, of_one: str, of_several: str) -> str:
    """The form of a verb that follows a count of rows: `1 of 80 rows has`, `2 of 80 rows have`."""
    return of_one if number == 1 else of_several


def short_repr(value: object, most: int = MAX_CHARACTERS) -> str:
    """The `repr` of a value, cut after `most` characters."""
    text = repr(value[: most + 1] if isinstance(value, str) else value)
    return text if len(text) <= most else f"{text[:most]}..."


def contents(folder: Path) -> str:
    """What a folder holds, for a message: `data holds a.csv, b.csv`, or `data is empty`."""
    place = "this folder" if folder == Path() else folder
    names = sorted(entry.name for entry in folder.iterdir())
    return f"{place} holds {join_names(names)}" if names else f"{place} is empty"


def missing_file(path: Path) -> DataError:
    """The error for a file that does not exist. It lists what the nearest existing folder holds."""
    if path.is_dir():
        return DataError(f"{path}: this is a folder, not a file")
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    first_missing_part = path.relative_to(folder).parts[0]
    if problem := broken_link(folder / first_missing_part):
        return DataError(f"{path}: {problem}")
    hint = did_you_mean(first_missing_part, (entry.name for entry in folder.iterdir()))
    return DataError(f"{path}: no such file; {contents(folder)}{hint}")
