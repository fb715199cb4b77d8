"""A task that is no registered name: a YAML, a folder with a file per role, one file; and where a role's rows lie."""

from __future__ import annotations

from pathlib import Path

from tasks.course import is_course, read_course
from tasks.errors import DataError, listed
from tasks.hub import hub_place, read_folder, read_hub
from tasks.tables import READERS, Table, read_table

FILES = "files"  # the task whose rows are the user's files, and the source that reads them
ROLES = ("generated", "real", "test", "validation")
# What a role is called in data sets of the hub.
SPLITS = {"generated": "train", "real": "train", "test": "test", "validation": "validation"}


def read_place(place: str, role: str, base: Path = Path()) -> Table:
    """The rows of a file, of a folder in task, hub or course layout, or of a hub place, relative to `base`.

    Raises `DataError` where the only rows of a folder are test rows, and those of another role are asked for.
    """
    path = base / Path(place).expanduser()
    if is_course(path):
        return read_course(path)
    if path.is_dir():
        own = [] if role in SPLITS.values() else _fitting(sorted(entry.name for entry in path.iterdir()), role)
        if len(own) > 1:
            raise DataError(f"{path}: {listed(own)} are all {role} rows; keep one")
        return read_place(own[0], role, path) if own else read_folder(path, None, None, SPLITS[role])
    found = hub_place(place)
    if path.exists() or path.suffix.lower() in READERS or found is None:
        return read_table(path)
    try:
        return read_hub(found, SPLITS[role])
    except DataError as error:
        raise DataError(f"{place} is no file or folder, and as a place of the hub: {error}") from None


def role_files(folder: Path) -> dict[str, str]:
    """Names of the files (or folders) of a task's folder by role. Raises DataError for two of one role, or none."""
    names = sorted(entry.name for entry in folder.iterdir())
    fitting = {role: _fitting(names, role) for role in ROLES}
    for role, several in fitting.items():
        if len(several) > 1:
            raise DataError(f"{folder}: {listed(several)} are all {role} rows; keep one")
    if not any(fitting.values()):
        raise DataError(
            f"{folder} holds {listed(names)}; a task's folder has generated.*, real.* and, if there is one, test.* "
            f"({', '.join(READERS)})"
        )
    return {role: found[0] for role, found in fitting.items() if found}


def _fitting(names: list[str], role: str) -> list[str]:
    """The names that say a role: those that can be read, or else any, so that the error says what cannot."""
    own = [name for name in names if Path(name).stem == role]
    return [name for name in own if Path(name).suffix.lower() in ("", *READERS)] or own
