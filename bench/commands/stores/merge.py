"""`bench merge`: copies the finished cells and grids of stores into one, for machines that share nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.commands.stores.clean import require_store
from bench.errors import UserError
from bench.store.files import writable
from bench.store.leases import registered
from bench.store.transfer import Transfer, transfer
from tasks.errors import plural


def merge(stores: Sequence[Path], out: Path) -> tuple[list[str], bool]:
    """Lines on each store that was merged into `out`, and whether nothing was in conflict.

    Raises UserError for a folder that is no store, or that is `out` itself, before anything is copied.
    """
    for root in stores:
        require_store(root)
        if root.resolve() == out.resolve():
            raise UserError(f"{root} is the store to merge into; name it with --out alone")
    writable(out)
    lines, conflicts = [], 0
    with registered(out):
        for root in dict.fromkeys(stores):
            done = transfer(root, out)
            lines += [f"{root}: {summary(done)}", *(f"conflict: {line}" for line in done.conflicts)]
            conflicts += len(done.conflicts)
    if conflicts:
        lines.append(f"{plural(conflicts, 'conflict')}: the same cells with other results; those of {out} stay")
    return lines, not conflicts


def summary(done: Transfer) -> str:
    """The counts of a transfer in words."""
    parts = [f"{plural(len(done.copied), 'folder')} copied"]
    parts += [f"{done.present} there before"] * (done.present > 0)
    parts += [f"{plural(done.models, 'model')} added to these"] * (done.models > 0)
    parts += [f"{done.left} not finished, damaged or being computed, left out"] * (done.left > 0)
    return ", ".join(parts)
