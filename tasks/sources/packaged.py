"""Reads a data file of this package, after comparing it with the digest on its card `dataset.json`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from tasks.errors import DataError
from tasks.sources.files import read_table
from tasks.sources.table import Table

PACKAGE = Path(__file__).parent.parent
REMEDY = "install the package again, or give --source"


def read_packaged(place: str) -> Table:
    """The rows of a data file; `place` is relative to the package `tasks`.

    Raises `DataError` if the file or its card is missing, or if the file is not the one that the card describes: cells
    on other rows would be published as results on these.
    """
    path = PACKAGE / place
    digests = _digests(path.parent / "dataset.json")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: the package lacks this data file; {REMEDY}") from None
    if hashlib.sha256(content).hexdigest() != digests.get(path.name):
        raise DataError(f"{path}: not the file that the package was published with (its SHA-256 differs); {REMEDY}")
    return replace(read_table(path), origin=place)


def _digests(card: Path) -> dict[str, str]:
    """The SHA-256 (hex) of each data file in a folder, by file name, from its card."""
    try:
        return dict(json.loads(card.read_text("utf-8"))["sha256"])
    except OSError as error:
        raise DataError(f"{card}: {error.strerror}: the package lacks its data files; {REMEDY}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{card}: not a card with the SHA-256 of each data file; {REMEDY}") from None
