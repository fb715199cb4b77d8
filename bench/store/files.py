"""Writes of files and folders that are whole or not there, and JSON files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.errors import UserError


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file at once: a reader sees the old content or the new. Raises OSError, naming the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:  # a full disk names no file, and what is cut off would stay on it
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
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """`write_text` of indented JSON; NaN is refused, since no reader agrees on it."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError, naming the file, if it holds none."""
    return json_object(path.read_bytes(), path)


def json_object(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object that a file of the store holds; where one is gone, its cell is made again. Raises UserError."""
    try:
        value = json.loads(content)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run again") from error
    return value
