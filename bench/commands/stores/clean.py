"""`bench clean`: shows what takes up space in a store and removes what is not needed.

Removable are: folders and files that a dead process left half-written, precomputed tables that no grid with cells in
the store needs, and, with --failed, failed cells. Finished cells are never removed. Neither is a folder that was
finished and damaged later: it is shown as damaged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from bench.errors import UserError
from bench.remote.opened import bytes_there, forgot
from bench.store.folders import State, state, state_word
from bench.store.folders import remove as remove_folder
from bench.store.layout import DONE, GRIDS, IDENTITY, LEASE, RUNNING, TABLES
from bench.store.leases import exclusive, users, wait_until_known
from bench.store.manifest import PRECOMPUTED, no_results, read
from bench.system import space_of
from tasks.errors import plural

KINDS = {"record": "hidden columns", "states": "frozen states", "encoder": "encoder check"}  # names that users read


@dataclass(frozen=True)
class Entry:
    """A folder or part file of a store. `kind`: `cell` or that of a precomputed table; `why`: empty if it stays.

    `there`: bytes of a table of which a bucket has more than its copy.
    """

    path: Path
    kind: str
    state: str
    why: str
    there: int = 0


def clean(root: Path, *, failed: bool, remove: bool) -> Iterator[str]:
    """Totals, and a line for each removable entry, which `remove` removes. Raises UserError if a run uses the store.

    Leases of other machines are first watched, for up to `EXPIRY` seconds.
    """
    require_store(root)  # before the lock, which would create the folder
    if remove:
        wait_until_known([*root.glob(f"*/*/*/{LEASE}"), *root.glob(f"{RUNNING}/*")])
    # Under the lock no run can start, or take a folder between the decision that it is stale and its removal.
    with exclusive(root) if remove else contextlib.nullcontext():
        everything = entries(root, failed=failed)
        if remove:
            refuse_if_used(root, everything)
        removable = [entry for entry in everything if entry.why]
        lines = [*totals(everything), *(line(entry, removed=remove) for entry in removable)]
        space = decimal(size(removable))
        for entry in removable if remove else ():
            remove_folder(entry.path) if entry.path.is_dir() else entry.path.unlink(missing_ok=True)
            forgot(root, entry.path)
    yield from lines
    if not removable:
        yield "nothing to remove"
    elif not remove:
        yield f"{len(removable)} of these can be removed ({space}): add --yes"


def refuse_if_used(root: Path, everything: list[Entry]) -> None:
    """Raise UserError if a run uses the store. A run needs what its manifest does not list yet, and what no cell has
    needed so far. The caller holds the store's lock."""
    folders = [entry.path for entry in everything if entry.state == State.RUNNING]
    folder = [f"{plural(len(folders), 'folder')}, such as {folders[0]}"] if folders else []
    if busy := [*users(root), *folder]:
        raise UserError(f"a run uses {root} ({'; '.join(busy)}); clean when it is done")


def require_store(root: Path) -> None:
    """Raise UserError for a folder with neither grids nor precomputed tables."""
    if not (root / GRIDS).is_dir() and not (root / TABLES).is_dir():
        raise no_results(root)


def line(entry: Entry, *, removed: bool) -> str:
    """The line on a removable entry."""
    verb = "removed" if removed else "removable"
    return f"{verb}: {entry.path} ({KINDS.get(entry.kind, entry.kind)}, {entry.why}, {decimal(size([entry]))})"


def entries(root: Path, *, failed: bool) -> list[Entry]:
    """Everything in a store; a folder that is not named by an id does not belong to it. Raises UserError."""
    needed = needed_tables(root)
    folders = [(path, "cell") for path in sorted(root.glob("[!.]*/[!.]*/[!.]*"))]
    folders += [(path, path.parent.name) for path in sorted(root.glob(f"{TABLES}/*/[!.]*"))]
    ours = [(path, kind) for path, kind in folders if IDENTITY.fullmatch(path.name) and path.is_dir()]
    known = [entry_of(path, kind, needed, failed) for path, kind in ours]
    # Copies that `adopt` did not finish, and part files in folders that are otherwise whole.
    parts = {*root.glob("*/*/.*.part"), *root.glob("*/*/*/*.part"), *root.glob(f"{GRIDS}/*.part")}
    whole = {entry.path for entry in known if not entry.why and entry.state != State.RUNNING}
    stray = sorted(path for path in parts if path.parent in whole or path.name.startswith(".") or GRIDS in path.parts)
    return [*known, *(Entry(path, "part", "unfinished", "half-written") for path in stray)]


def entry_of(path: Path, kind: str, needed: set[Path] | None, failed: bool) -> Entry:
    """One folder, and why it is removable; `needed` are the precomputed tables to keep (None: all)."""
    there = bytes_there(path)
    present = State.DONE if there else state(path)
    if present is State.STALE and (path / DONE).exists():
        return Entry(path, kind, state_word(path), "")
    if kind != "cell" and present is State.DONE and needed is not None and path not in needed:
        return Entry(path, kind, "unused", "no grid with cells in this store needs it", there)
    reasons = {State.STALE: "half-written", State.MISSING: "empty", State.FAILED: "failed" if failed else ""}
    return Entry(path, kind, str(present) if there else state_word(path), reasons.get(present, ""), there)


def needed_tables(root: Path) -> set[Path] | None:
    """The precomputed tables of all grids with a cell in the store; None (keep all) if a grid does not list its own."""
    needed: set[Path] = set()
    for path in root.glob(f"{GRIDS}/*.json"):
        grid = read(path)
        if PRECOMPUTED not in grid:
            return None
        methods = [method for section in grid["sections"] for method in section["methods"]]
        if any((root / cell).is_dir() for method in methods for cell in method["cells"].values()):
            needed |= {root / name for name in grid[PRECOMPUTED]}
    return needed


def totals(entries: list[Entry]) -> Iterator[str]:
    """A line per kind and state: the number of entries and their size."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.kind, entry.state), []).append(entry)
    for (kind, word), members in sorted(groups.items()):
        yield f"{KINDS.get(kind, kind):16} {word:10} {len(members):6}  {decimal(size(members)):>9}"
    yield f"{'all':16} {'':10} {len(entries):6}  {decimal(size(entries)):>9}"


def size(entries: list[Entry]) -> int:
    """Bytes on the disk, where a file in several folders (by hard links) counts once, and of what only a bucket has."""
    files = (path for entry in entries for path in ([entry.path] if entry.path.is_file() else entry.path.rglob("*")))
    stats = (path.lstat() for path in files if path.is_file())
    here = sum({(stat.st_dev, stat.st_ino): space_of(stat) for stat in stats}.values())
    return here + sum(entry.there for entry in entries)
