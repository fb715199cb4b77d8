"""The error that users see when data or a task's description are not what they should be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

SHOWN_CHARACTERS = 60
SHOWN_ENTRIES = 12


class DataError(ValueError):
    """One line for the user: what is wrong, where (file and row), and the nearest right thing."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))  # names of files and columns may hold line ends


def nearest(name: object, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that is closest, or an empty string."""
    by_lower_case = {entry.lower(): entry for entry in known}
    found = difflib.get_close_matches(str(name).lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[found[0]]!r}?" if found else ""


def listed(names: Iterable[object]) -> str:
    """Names joined by commas; a long list is cut and says by how much."""
    entries = [str(name) for name in names]
    rest = len(entries) - SHOWN_ENTRIES
    return ", ".join(entries[:SHOWN_ENTRIES]) + (f" and {rest} more" if rest > 0 else "") if entries else "none"


def shown(value: object) -> str:
    """A value in one short line, however long it is."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def missing(path: Path) -> DataError:
    """The error for a file that is not there: names what is there instead."""
    if path.is_dir():
        return DataError(f"{path}: a folder, not a file")
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    names = sorted(entry.name for entry in folder.iterdir())
    looked_for = path.relative_to(folder).parts[0]
    return DataError(f"{path}: no such file; {folder} holds {listed(names)}{nearest(looked_for, names)}")
