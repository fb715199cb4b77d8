"""`bench clean`: what a store's space goes to, and what of it nobody needs.

What goes: what a dead process left half-written, artefacts of no grid that still has a cell, and, if asked, failed
cells. Done cells never go, and neither does a folder that was finished and damaged later: it is told.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UserError
from bench.hashing import ID_LENGTH
from bench.store.folders import State, state
from bench.store.layout import DONE
from bench.store.leases import exclusive
from bench.store.manifest import GRIDS, PRECOMPUTED, read

SHARED = ".artefacts"
IDENTITY = re.compile(f"[0-9a-f]{{{ID_LENGTH}}}")
UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Entry:
    """A folder (or part file) of a store: `cell` or the artefact's kind, its state, and why it goes (empty: stays)."""

    path: Path
    kind: str
    state: str
    why: str


def clean(root: Path, *, failed: bool, remove: bool) -> Iterator[str]:
    """Say what there is and what goes, and remove it if asked. Raises UserError while a run is at the store."""
    require_store(root)  # before the lock, which would make the folder
    with exclusive(root) if remove else contextlib.nullcontext():  # so that no run takes what has just been judged
        found = entries(root, failed=failed)
        busy = [entry.path for entry in found if entry.state == State.RUNNING]
        if remove and busy:
            raise UserError(f"a run is at {root} ({len(busy)} folders, such as {busy[0]}); clean when it is done")
        going = [entry for entry in found if entry.why]
        told = [*totals(found), *(line(entry, removed=remove) for entry in going)]
        space = spell(size(going))
        for entry in going if remove else ():
            shutil.rmtree(entry.path) if entry.path.is_dir() else entry.path.unlink(missing_ok=True)
    yield from told
    if not going:
        yield "nothing to remove"
    elif not remove:
        yield f"{len(going)} of these would go ({space}); --yes removes them"


def require_store(root: Path) -> None:
    """Raise UserError where a folder has neither grids nor artefacts."""
    if not (root / GRIDS).is_dir() and not (root / SHARED).is_dir():
        raise UserError(f"no store at {root}")


def line(entry: Entry, *, removed: bool) -> str:
    """What is told of something that goes."""
    return f"{'removed' if removed else 'goes'}: {entry.path} ({entry.kind}, {entry.why}, {spell(size([entry]))})"


def entries(root: Path, *, failed: bool) -> list[Entry]:
    """Everything in a store, judged; folders that are not named by an id are not the store's. Raises UserError."""
    needed = wanted(root)
    folders = [(path, "cell") for path in sorted(root.glob("[!.]*/[!.]*/[!.]*"))]
    folders += [(path, path.parent.name) for path in sorted(root.glob(f"{SHARED}/*/[!.]*"))]
    ours = [(path, kind) for path, kind in folders if IDENTITY.fullmatch(path.name) and path.is_dir()]
    found = [judged(path, kind, needed, failed) for path, kind in ours]
    # Copies that `adopt` had not finished, and part files of folders that are otherwise whole.
    parts = {*root.glob("*/*/.*.part"), *root.glob("*/*/*/*.part"), *root.glob(f"{GRIDS}/*.part")}
    whole = {entry.path for entry in found if not entry.why and entry.state != State.RUNNING}
    stray = sorted(path for path in parts if path.parent in whole or path.name.startswith(".") or GRIDS in path.parts)
    return [*found, *(Entry(path, "part", "stale", "half-written") for path in stray)]


def judged(path: Path, kind: str, needed: set[Path] | None, failed: bool) -> Entry:
    """One folder."""
    found = state(path)
    if found is State.STALE and (path / DONE).exists():
        return Entry(path, kind, "damaged", "")
    if kind != "cell" and found is State.DONE and needed is not None and path not in needed:
        return Entry(path, kind, "orphaned", "no grid with cells here reads it")
    reasons = {State.STALE: "half-written", State.MISSING: "empty", State.FAILED: "failed" if failed else ""}
    return Entry(path, kind, str(found), reasons.get(found, ""))


def wanted(root: Path) -> set[Path] | None:
    """The artefacts of all grids of which a cell is still there; None (all) where a grid does not say."""
    needed: set[Path] = set()
    for path in root.glob(f"{GRIDS}/*.json"):
        grid = read(path)
        if PRECOMPUTED not in grid:
            return None
        methods = [method for section in grid["sections"] for method in section["methods"]]
        if any((root / cell).is_dir() for method in methods for cell in method["cells"].values()):
            needed |= {root / name for name in grid[PRECOMPUTED]}
    return needed


def totals(found: list[Entry]) -> Iterator[str]:
    """A line per kind and state: how many, and their space."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in found:
        groups.setdefault((entry.kind, entry.state), []).append(entry)
    for (kind, word), members in sorted(groups.items()):
        yield f"{kind:10} {word:9} {len(members):6}  {spell(size(members)):>9}"
    yield f"{'all':10} {'':9} {len(found):6}  {spell(size(found)):>9}"


def size(found: list[Entry]) -> int:
    """Bytes on the disk; a file that stands in several folders (a hard link) counts once."""
    files = (path for entry in found for path in ([entry.path] if entry.path.is_file() else entry.path.rglob("*")))
    stats = (path.lstat() for path in files if path.is_file())
    return sum({(stat.st_dev, stat.st_ino): stat.st_blocks * 512 for stat in stats}.values())


def spell(count: float) -> str:
    """Bytes as people say them."""
    for unit in UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {UNITS[-1]}"
