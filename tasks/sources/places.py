"""A task that is no registered name: a YAML, a folder with a file per role, one file; and where a role's rows lie."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import DataError, listed
from tasks.roles import ROLES, SPLITS
from tasks.sources.course import is_course, read_course
from tasks.sources.files import READERS, Table, read_table
from tasks.sources.hub import hub_place, read_folder, read_hub


def read_place(place: str, role: str, base: Path = Path()) -> Table:
    """The rows of a file, of a folder in task, hub or course layout, or of a hub place, relative to `base`.

    Raises `DataError` where the only rows of a folder are test rows, and those of another role are asked for.
    """
    path = base / Path(place).expanduser()
    if is_course(path):
        return read_course(path)
    if path.is_dir():
        own = None if role in SPLITS.values() else _own(path, role)  # the hub knows test and validation too
        return read_place(own, role, path) if own else read_folder(path, None, None, SPLITS[role])
    found = hub_place(place)
    if path.exists() or path.suffix.lower() in READERS or found is None:
        return read_table(path)
    try:
        return read_hub(found, SPLITS[role])
    except DataError as error:
        raise DataError(f"{place} is no file or folder, and as a place of the hub: {error}") from None


def role_files(folder: Path) -> dict[str, str]:
    """Names of the files (or folders) of a task's folder by role. Raises DataError for two of one role, or none."""
    found = {role: name for role in ROLES if (name := _own(folder, role))}
    if not found:
        names = sorted(entry.name for entry in folder.iterdir())
        raise DataError(
            f"{folder} holds {listed(names)}; a task's folder has generated.*, real.* and, if there is one, test.* "
            f"({', '.join(READERS)})"
        )
    return found


def _own(folder: Path, role: str) -> str | None:
    """The name in a folder that says a role: one that can be read, or else any, so that the error says what cannot.

    Raises DataError for several.
    """
    any_kind = sorted(entry.name for entry in folder.iterdir() if entry.stem == role)
    own = [name for name in any_kind if Path(name).suffix.lower() in ("", *READERS)] or any_kind
    if len(own) > 1:
        raise DataError(f"{folder}: {listed(own)} are all {role} rows; keep one")
    return own[0] if own else None
