"""`bench import`: checks bundles of others and copies their cells to a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.commands.stores.merge import summary
from bench.store.bundles import opened, take_in
from bench.store.files import writable
from bench.store.leases import registered


def import_bundles(bundles: Sequence[Path], out: Path) -> tuple[list[str], bool]:
    """Lines on each bundle that was imported to `out`, and whether nothing was in conflict.

    Raises UserError for a file that is no bundle or was changed; the bundles before it are imported then.
    """
    writable(out)
    lines, sound = [], True
    with registered(out):
        for bundle in dict.fromkeys(bundles):
            with opened(bundle) as (folder, about):
                done = take_in(folder, about, out)
            lines += [f"{about['name']} ({bundle}): {summary(done)}", *(f"conflict: {line}" for line in done.conflicts)]
            sound = sound and not done.conflicts
    return lines, sound
