"""Checks that a finished folder is as it was written: sizes and contents of files, and the folder's own name.

`metrics.json` is written last and marks a folder as finished. Beside the results it holds the size and a digest of
every other file, the folder's own name (so that a folder copied over another one is noticed), and a seal over all of
this. Folders of earlier versions have sizes alone, which are then all that is checked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash

from bench.hashing import digest
from bench.store.files import parse_json
from bench.store.layout import DONE, LEASE, LOG
from tasks.errors import plural

FILES, DIGESTS, FOLDER, SEAL = "files", "digests", "folder", "seal"
INTERNAL = (FILES, DIGESTS, FOLDER, SEAL)  # keys of metrics.json that are no results
BLOCK = 2**20  # bytes read at once
_known: dict[tuple[str, int, int], str] = {}  # (file, mtime in ns, size) -> digest: a file is read once per process


def sealed(folder: Path, results: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The content of `metrics.json` for a folder whose other files are written, and which is called `name`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name not in (LEASE, LOG, DONE))
    contents = {path.name: measured(str(folder), path.name) for path in files}
    content = {
        **results,
        FILES: {file: size for file, (size, _) in contents.items()},
        DIGESTS: {file: content_hash for file, (_, content_hash) in contents.items()},
        FOLDER: name,
    }
    return {**content, SEAL: seal(content)}


def damage(folder: Path, *, certain: bool = False, contents: dict[str, bytes] | None = None) -> str:
    """What is wrong with a finished folder, in one line; empty if nothing is.

    `contents`: gets the contents of all files of less than `BLOCK` bytes, by name, for whoever reads them next.
    `certain`: raises OSError for a file that exists and cannot be read at the moment, for instance because this process
    has too many open files. Whoever removes a damaged folder asks for this.
    """
    try:
        stored = (folder / DONE).read_bytes()
        if contents is not None:
            contents[DONE] = stored
        return problem(folder, parse_json(stored), contents)
    except OSError as error:
        if certain and not isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            raise
        return f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
    except (ValueError, TypeError, AttributeError):
        return f"{DONE} is not that of a finished cell"


def problem(folder: Path, content: Mapping[str, Any], contents: dict[str, bytes] | None = None) -> str:
    """`damage`, given the content of `metrics.json`. Raises OSError for a file that is gone."""
    place, digests = str(folder), content.get(DIGESTS, {})
    if SEAL in content and content[SEAL] != seal(content):
        return f"{DONE} was changed after it was written"
    if content.get(FOLDER, folder.name) != folder.name:
        return f"it is a copy of {content[FOLDER]}"
    for name, size in content.get(FILES, {}).items():
        present, content_hash = measured(place, name, contents)
        if present != size:
            return f"{name} has {plural(present, 'byte')}, {size:,} were written"
        if digests.get(name, content_hash) != content_hash:
            return f"{name} was changed after it was written"
    return ""


def seal(content: Mapping[str, Any]) -> str:
    """A digest of the content of `metrics.json` without its seal."""
    return digest({name: value for name, value in content.items() if name != SEAL})


def measured(folder: str, name: str, contents: dict[str, bytes] | None = None) -> tuple[int, str]:
    """Size in bytes and XXH3 (128 bits, hex) of a file, read again only if its size or time of change has changed.

    With `contents`, that of a file of less than `BLOCK` bytes is added there by the file's name.

    It guards against accidents, not forgery, and is as fast as the disk. The folder is a text, and the buffer as large
    as a small file: a store has tens of thousands of these.
    """
    path = f"{folder}/{name}"
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        key = (path, status.st_mtime_ns, status.st_size)
        if status.st_size < BLOCK and (contents is not None or key not in _known):
            content = file.readall()
            _known[key] = xxhash.xxh3_128_hexdigest(content)
            if contents is not None:
                contents[name] = content
        elif key not in _known:
            state = xxhash.xxh3_128()
            while block := file.read(BLOCK):
                state.update(block)
            _known[key] = state.hexdigest()
    return status.st_size, _known[key]
