"""Writes files and folders completely or not at all; reads and writes JSON."""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from bench import system
from bench.errors import UserError
from tasks.errors import broken_link

MAX_JSON = 32 * 2**20  # bytes; the manifest of a grid with 100,000 cells has about 10 MB
REMEDY = "remove it and run again"
SYNCS = 16  # files that `sync` writes to the disk at a time


def writable(folder: Path) -> None:
    """Make a folder. Raises UserError if it cannot be made or written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        taken = next((str(path) for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), "")
        why = broken_link(folder) or (f"{taken} is a file, not a folder" if taken else error.strerror)
        raise UserError(f"cannot write to {folder}: {why}") from error
    if not os.access(folder, os.W_OK):
        raise UserError(f"cannot write to {folder}: permission denied")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old content or the new. Raises OSError, which names the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(content)


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: each has its old content until all are written beside the old ones.

    Raises OSError, which names a file, and leaves the old ones.
    """
    with contextlib.ExitStack() as parts:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            parts.enter_context(replacing(path)).write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path, inside: AbstractContextManager[object] | None = None) -> Iterator[Path]:
    """A file to write, which replaces `path` when the block ends, within the context `inside`.

    Raises OSError, which names `path` or another file that the block used.
    """
    part = path.with_name(f"{path.name}.{unique()}.part")
    try:
        yield part
        with inside or contextlib.nullcontext():
            system.patiently(os.replace, part, path)
    except OSError as error:  # of a full disk names no file
        name = error.filename if error.filename not in (None, str(part), part) else str(path)
        raise OSError(error.errno, error.strerror, name) from error
    finally:
        part.unlink(missing_ok=True)  # would stay on a full disk


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder to write to, which is moved to `target` when the block ends. After an error it is removed.

    A reader sees all of the folder or none of it. A `target` that is not empty stays, since another process was faster:
    whoever wants to replace a folder removes it first. Raises OSError.
    """
    with part_folder(target) as part:
        yield part
        with contextlib.suppress(OSError):
            target.rmdir()  # an empty one, which Windows does not replace
        try:
            system.patiently(os.replace, part, target)
        except OSError:
            if not target.is_dir():
                raise


@contextlib.contextmanager
def part_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder beside `target`, removed when the block ends. `bench clean` finds those that stay."""
    part = target.with_name(f".{target.name}.{unique()}.part")
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def unique() -> str:
    """A part of a file name that no other process has; two containers may have a process of the same pid."""
    return secrets.token_hex(4)


def sync(paths: Iterable[Path]) -> None:
    """Write files and folders to the disk, so that a loss of power cannot undo them. Raises OSError, which names one.

    All at the same time: file systems join such requests, and 9 files take hardly longer than one.
    """
    with ThreadPoolExecutor(SYNCS) as pool:
        list(pool.map(system.flush, paths))


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically. Raises ValueError for NaN, which JSON readers treat differently."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """The text of a JSON file. Raises ValueError for NaN."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def plain_json(value: Any) -> Any:
    """A value as JSON holds it: numbers with all their digits, null where they are not finite, dates and bytes as text.

    pandas would write a date as a number, and a small number as 0.
    """
    if isinstance(value, Mapping):
        return {str(name): plain_json(part) for name, part in value.items()}
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_json(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def flatten(values: Mapping[str, Any], separator: str = ".", whole: Collection[str] = ()) -> dict[str, Any]:
    """Nested mappings as one, with joined keys: `settings.lr`. Mappings whose key is in `whole` stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and key not in whole:
            flat |= {f"{key}{separator}{name}": entry for name, entry in flatten(value, separator, whole).items()}
        else:
            flat[key] = value
    return flat


def read_json(path: Path, schema: type[BaseModel] | None = None, content: bytes | None = None) -> dict[str, Any]:
    """The JSON object in a file. Raises UserError, which names the file, if it has no object or not the schema's.

    `content`: that of the file, if it was read already.
    """
    if content is not None:
        return json_object(content, path, schema)
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(min(size, MAX_JSON) + 1)  # a buffer of the largest size would take longer than the file
    return json_object(content, path, schema)


def json_object(
    content: bytes, path: Path, schema: type[BaseModel] | None = None, *, remedy: str = REMEDY
) -> dict[str, Any]:
    """The JSON object in `content`, the bytes of the file `path`. Raises UserError as `read_json` does, with `remedy`.

    A schema checks the entries that it names; the object has all of them, in the types of JSON.
    """
    try:
        value = parse_json(content)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
        if schema is not None:
            schema.model_validate(value, strict=True)
    except ValidationError as error:
        raise UserError(f"{path} is damaged ({first_problem(error)}); {remedy}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
    return value


def read_json_lines(path: Path, schema: type[BaseModel]) -> list[dict[str, Any]]:
    """The JSON objects in the lines of a file, each of the `schema`. Raises UserError, which names file and line."""
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            rows.append(json_object(line, path, schema))
        except UserError as error:
            raise UserError(f"{path}, line {number}: {error.__cause__}") from error
    return rows


def parse_json(content: bytes | str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text; `pairs` makes an object of its keys and values.

    Raises ValueError for every text that is none, also if it is too long or too deep.
    """
    if len(content) > MAX_JSON:
        raise ValueError(f"it has more than {MAX_JSON:,} bytes")
    try:
        return json.loads(content, object_pairs_hook=pairs)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def first_problem(error: ValidationError) -> str:
    """The first problem that a schema finds: the place, and what is wrong there."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg'].removeprefix('Value error, ')}"
