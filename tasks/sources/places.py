"""Finds and reads the rows of a role in a place that the user names: a file, a folder, or a data set of the hub."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import DataError, contents, join_names, user_path
from tasks.roles import ROLES, SPLITS, VALIDATION
from tasks.sources.arrow_files import is_saved, read_saved
from tasks.sources.course import is_course, read_course
from tasks.sources.files import READERS, read_table
from tasks.sources.hub import hub_place, read_folder, read_hub
from tasks.sources.table import Table, one_after_the_other


def read_place(place: str, role: str, base: Path = Path(), *, whole: bool = False) -> Table:
    """The rows for a role from a place. A path is relative to `base`. With `whole`, every row of a large place is read.

    A place is a file; a folder with a file per role, of `save_to_disk`, in hub layout or in course layout; or a data
    set of the hub. A place that could be a file or a hub data set is the file if the path exists or ends like a data
    file. Raises `DataError` if the place cannot be read, or if a folder holds only test rows and another role is
    wanted.

    Several places of generated rows, separated by commas, are generations of one set.
    """
    path = base / user_path(place)
    if role == "generated" and "," in place and not path.exists():
        names = [name.strip() for name in place.split(",")]
        if not all(names) or len(set(names)) < len(names):
            raise DataError(
                f"{place}: an empty or repeated name among the generations; name each file once, with commas between"
            )
        return one_after_the_other([read_place(name, role, base, whole=whole) for name in names])
    if is_course(path):
        return read_course(path, whole=whole)
    if is_saved(path):
        return read_saved(path, SPLITS[role])
    if path.is_dir():
        # A split of hub layout has the name `test` too, and its reader knows its own files.
        name = None if role in SPLITS.values() else _name_of_role(path, role)
        return read_place(name, role, path, whole=whole) if name else read_folder(path, None, None, SPLITS[role])
    on_hub = hub_place(place)
    if path.exists() or path.suffix.lower() in READERS or on_hub is None:
        return read_table(path, whole)
    try:
        return read_hub(on_hub, SPLITS[role])
    except DataError as error:
        raise DataError(f"{place}: no such file or folder, and as a data set of the hub: {error}") from None


def role_files(folder: Path) -> dict[str, str]:
    """The names, by role, of the files or folders of a task's folder.

    Raises `DataError` if two belong to one role, or none to any.
    """
    names = {role: name for role in ROLES if (name := _name_of_role(folder, role))}
    if not names:
        raise DataError(
            f"{contents(folder)}; a task's folder needs generated.* and real.*, and may have test.* "
            f"({', '.join(READERS)})"
        )
    return {str(role): name for role, name in names.items()}


def unread(folder: Path) -> list[str]:
    """A note on validation rows in a task's folder, which no run reads; none without such a file, or for no folder."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.stem == VALIDATION) if folder.is_dir() else []
    names = [name for name in names if Path(name).suffix.lower() in ("", *READERS)]
    return [f"not read: {join_names(names)} in the task's folder; --test FILE tests on such rows"] if names else []


def _name_of_role(folder: Path, role: str) -> str | None:
    """The entry of a folder whose name without suffix is the role; None if there is none.

    Entries that can be read come first. If there are only others, one of them is returned, so that reading it reports
    the problem. Raises `DataError` for several.
    """
    of_role = sorted(entry.name for entry in folder.iterdir() if entry.stem == role)
    names = [name for name in of_role if Path(name).suffix.lower() in ("", *READERS)] or of_role
    if len(names) > 1:
        raise DataError(f"{folder}: {join_names(names)} all hold {role} rows; keep one")
    return names[0] if names else None
