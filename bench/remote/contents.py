"""What a remote store has of each folder, by the names of its objects, and what a command has fetched of it.

<task>/<method>/<id>.tar             a finished folder: a cell, or below .artefacts/ a precomputed table
<task>/<method>/<id>.failed.tar      a failed one
<task>/<method>/<id>.model.tar       the model that a cell saved
.grids/ .looks/ .imported/           JSON files, as in a folder
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.filesize import decimal

from bench.errors import UserError
from bench.remote.objects import Entry
from bench.store import manifest
from bench.store.files import read_json
from bench.store.folders import State
from bench.store.layout import GRIDS, IDENTITY, IMPORTED, LOOKS, TABLES
from bench.store.schemas import SeedsRead
from tasks.errors import plural

PLAIN = (GRIDS, LOOKS, IMPORTED)  # folders of JSON files
TAR, FAILED, WITH_MODEL = ".tar", ".failed.tar", ".model.tar"
# What is read from a bucket: all other names are somebody else's, and may lead out of the copy.
FOLDER = re.compile(rf"({re.escape(TABLES)}|[^/.][^/]*)/[^/.][^/]*/{IDENTITY.pattern}")
JSON_FILE = re.compile(rf"({'|'.join(map(re.escape, PLAIN))})/[^/.][^/]*\.json")


@dataclass
class Remote:
    """What a remote store has of a folder."""

    done: Entry | None = None
    failed: Entry | None = None
    model: Entry | None = None

    @property
    def state(self) -> State:
        """The state of a copy that has the same: a result wins over a failure."""
        if self.done is not None:
            return State.DONE
        return State.MISSING if self.failed is None else State.FAILED

    @property
    def note(self) -> str:
        """What the copy notes when it has the same; empty if there is no result."""
        kind, entry = ("done", self.done) if self.done is not None else ("failed", self.failed)
        return f"{kind} {entry.version}" if entry is not None else ""


@dataclass
class Fetched:
    """What was fetched."""

    sizes: dict[str, int] = field(default_factory=dict)  # name -> bytes
    dropped: list[str] = field(default_factory=list)  # folders that the remote store has no more
    damaged: dict[str, str] = field(default_factory=dict)  # name -> what is wrong

    def lines(self, url: str, root: Path) -> Iterator[str]:
        """What to tell the user; nothing if the copy was up to date."""
        if self.sizes:
            yield f"{url}: {plural(len(self.sizes), 'folder')} fetched ({decimal(sum(self.sizes.values()))}) to {root}"
        if self.dropped:
            yield f"{url}: {plural(len(self.dropped), 'folder')} removed there, and so from {root}"
        for name, reason in self.damaged.items():
            yield f"{url}/{name} is damaged: {reason}"


def results(listing: Mapping[str, Entry]) -> dict[str, Remote]:
    """The folders in a listing, by name."""
    found: dict[str, Remote] = {}
    for name, entry in listing.items():
        for suffix, kind in ((FAILED, "failed"), (WITH_MODEL, "model"), (TAR, "done")):
            if name.endswith(suffix) and FOLDER.fullmatch(name.removesuffix(suffix)):
                setattr(found.setdefault(name.removesuffix(suffix), Remote()), kind, entry)
                break
    return found


def usable(path: Path) -> bool:
    """Whether a JSON file of a store can be read as what its folder holds."""
    try:
        if path.parent.name == GRIDS:
            manifest.read(path)
        else:
            read_json(path, SeedsRead if path.parent.name == LOOKS else None)
    except (UserError, OSError):
        return False
    return True
