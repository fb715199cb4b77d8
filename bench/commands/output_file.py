"""The file that `--to` names, checked before anything is computed for it."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UserError


def writable(path: Path) -> None:
    """Raise UserError for a path at which no file can be written."""
    if path.is_dir():
        raise UserError(f"--to {path} is a folder; give it the name of a file")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UserError(f"--to {path}: {parent} is a file, not a folder")
