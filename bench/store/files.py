"""Writes files and folders completely or not at all; reads and writes JSON."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UserError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new. Raises OSError, which names the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:  # of a full disk names no file; the part file would stay on it
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder to write to, which is moved to `target` when the block ends. After an error it is removed.

    A reader sees all of the folder or none of it. A `target` that is not empty stays, since another process was faster:
    whoever wants to replace a folder removes it first. Raises OSError.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        try:
            os.replace(part, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically. Raises ValueError for NaN, which JSON readers treat differently."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def flatten(values: Mapping[str, Any], separator: str = ".", whole: Collection[str] = ()) -> dict[str, Any]:
    """Nested mappings as one, with joined keys: `settings.lr`. Mappings whose key is in `whole` stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key not in whole:
            flat |= {f"{key}{separator}{name}": entry for name, entry in flatten(value, separator, whole).items()}
        else:
            flat[key] = value
    return flat


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError, which names the file, if it holds no JSON object."""
    return json_object(path.read_bytes(), path)


def json_object(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object in `content`, the bytes of the file `path`. Raises UserError; the cell of a removed file is
    computed again."""
    try:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run again") from error
    return value
