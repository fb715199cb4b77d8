"""The folder of a local copy with its notes: which version of each name the copy and the remote store both have.

done VERSION            a finished folder
failed VERSION          a failed one
time VERSION BYTES      a finished table of which the copy has the time alone, and the size of its archive
VERSION DIGEST          a JSON file
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.remote.contents import FOLDER
from bench.store.files import write_text
from bench.store.layout import DONE, TABLES

NOTES = ".remote/known"


class Noted:
    """A local copy by its names, which are paths relative to its root with slashes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def name(self, path: Path) -> str:
        """The name of a folder or file of the copy."""
        return path.relative_to(self.root).as_posix()

    def folders(self) -> Iterator[str]:
        """The names of the copy's folders of cells and precomputed tables."""
        for pattern in ("[!.]*/[!.]*/[!.]*", f"{TABLES}/*/[!.]*"):
            paths = (path for path in sorted(self.root.glob(pattern)) if path.is_dir())
            yield from (name for name in map(self.name, paths) if FOLDER.fullmatch(name))

    def noted(self) -> list[str]:
        """The names of all folders that have a note."""
        notes = self.root / NOTES
        paths = [path for path in notes.glob("**/*") if path.is_file()]
        names = (path.relative_to(notes).as_posix() for path in paths)
        return [name for name in names if FOLDER.fullmatch(name)]

    def note(self, name: str) -> str:
        """The note on a folder or file; empty if there is none."""
        with contextlib.suppress(OSError):
            return (self.root / NOTES / name).read_text(encoding="utf-8")
        return ""

    def write_note(self, name: str, note: str) -> None:
        """Write a note, or remove it if it is empty."""
        path = self.root / NOTES / name
        write_text(path, note) if note else path.unlink(missing_ok=True)

    def unsent(self, name: str) -> bool:
        """Whether the remote store may lack what a folder holds: no note, or a note on less than a finished result."""
        note = self.note(name)
        return not note or (not note.startswith("done ") and (self.root / name / DONE).exists())
