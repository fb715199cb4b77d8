"""Arrays that reports keep in a store, such as scores of its cells: read and written whole, with their version.

If a file is missing, damaged or cannot be written, only time is lost.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.store.files import write_bytes

MOST_BYTES = 2**30  # of the arrays of a file; a larger one is not ours
# Errors of a file that is missing, cut, or of another kind, and of arrays that are not those expected.
DAMAGED = (OSError, ValueError, LookupError, TypeError, EOFError, AttributeError, SyntaxError, BadZipFile)


def read_arrays(path: Path, version: str) -> dict[str, Any]:
    """The arrays in a file, by name; none if it is missing, damaged, too large, or of another version."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if sum(entry.file_size for entry in file.zip.infolist()) > MOST_BYTES or str(file["version"]) != version:
                return {}
            return dict(file)
    except DAMAGED:
        return {}


def write_arrays(path: Path, version: str, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a file, if it can be written."""
    content = io.BytesIO()
    np.savez(content, version=version, **arrays)
    with contextlib.suppress(OSError):
        write_bytes(path, content.getvalue())
