"""`bench doctor`: checks every folder and manifest of a store, and removes what cannot be used (--repair)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.commands.stores.clean import require_store
from bench.errors import UserError
from bench.remote.opened import forgot
from bench.store.files import read_json
from bench.store.folders import State, failure, remove, state, state_word
from bench.store.integrity import damage
from bench.store.layout import DONE, GRIDS, IDENTITY, IMPORTED, LOOKS, SPEC, TABLES, cell_path, root_of
from bench.store.leases import exclusive
from bench.store.manifest import read
from bench.store.schemas import Imported, SeedsRead
from tasks.errors import plural


@dataclass(frozen=True)
class Finding:
    """A folder or manifest that cannot be used, and why."""

    path: Path
    reason: str


def doctor(root: Path, *, repair: bool) -> tuple[list[str], bool]:
    """Lines on the problems of a store, and whether none remains.

    `repair` removes damaged and unfinished folders, which the next run computes again, and unusable manifests. Finished
    cells, failed cells and those of running processes stay. Raises UserError for a folder that is no store.
    """
    require_store(root)
    # Other hidden folders, such as .tensorboard, and folders without an id for a name belong to other programs.
    paths = [*root.glob("[!.]*/*/*"), *root.glob(f"{TABLES}/*/*")]
    folders = sorted(path for path in paths if IDENTITY.fullmatch(path.name) and path.is_dir())
    states = Counter(map(state_word, folders))
    findings = [*filter(None, map(examine, folders)), *manifests(root)]
    lines = [f"{finding.path.relative_to(root).as_posix()}: {finding.reason}" for finding in findings]
    counts = ", ".join(f"{count} {name}" for name, count in sorted(states.items()))
    lines.append(f"{plural(len(folders), 'folder')} checked ({counts or 'none'}), {plural(len(findings), 'problem')}")
    if not repair:
        hint = ["bench doctor --repair removes these; the next run computes them again"] if findings else []
        return lines + hint, not findings
    done = [*repaired(root, findings)]
    return [*lines, *(line for line, _ in done)], all(gone for _, gone in done)


def examine(folder: Path) -> Finding | None:
    """What is wrong with the folder of a cell or precomputed table, None if nothing is."""
    if (folder / DONE).exists():
        reason = damage(folder) or misplaced(folder)
        return Finding(folder, f"damaged: {reason}") if reason else None
    if state(folder) is State.STALE:
        return Finding(folder, "unfinished: the process that wrote it has ended")
    try:
        failure(folder)
    except UserError as error:
        return Finding(folder, f"damaged: {error}")
    return None


def misplaced(folder: Path) -> str:
    """Why a finished cell's `spec.json` does not belong to its folder; empty if it does, or if it has none."""
    path = folder / SPEC
    if not path.exists():
        return ""
    try:
        spec = read_json(path)
        place = cell_path(root_of(folder), spec["task"], spec["method"], spec["id"])
    except (UserError, KeyError, TypeError) as error:
        return f"spec.json cannot be used ({error})"
    checker = folder.parent.name == "checker" and folder.name == spec["id"]
    return "" if checker or place == folder else f"spec.json is that of {spec['task']}/{spec['method']}/{spec['id']}"


def manifests(root: Path) -> Iterator[Finding]:
    """The manifests and notes that cannot be read, so that no report can be made with them."""
    for folder, reading in (
        (GRIDS, read),
        (LOOKS, partial(read_json, schema=SeedsRead)),
        (IMPORTED, partial(read_json, schema=Imported)),
    ):
        for path in sorted((root / folder).glob("*.json")):
            try:
                reading(path)
            except (UserError, OSError) as error:
                yield Finding(path, f"unusable: {error}")


def repaired(root: Path, findings: list[Finding]) -> Iterator[tuple[str, bool]]:
    """Remove the folders and manifests of `findings` that no run has taken since.

    Yields a line for each of them, and whether it is gone.
    """
    with exclusive(root):
        for finding in findings:
            path, name = finding.path, finding.path.relative_to(root).as_posix()
            if path.is_dir() and examine(path) is None:
                continue
            try:
                path.unlink() if path.is_file() else remove(path)
            except OSError as error:
                yield f"not removed: {name}: {error.strerror}", False
                continue
            forgot(root, path)
            yield f"removed: {name}", True
