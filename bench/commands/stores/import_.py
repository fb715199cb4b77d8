"""`bench import`: checks bundles of others and copies their cells to a store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.commands.stores.merge import summary
from bench.store.bundles import opened, take_in
from bench.store.files import writable
from bench.store.leases import registered


def import_bundles(bundles: Sequence[Path], out: Path) -> tuple[list[str], bool]:
    """Lines on each bundle that was imported to `out`, and whether nothing was in conflict.

    Raises UserError for a file that is no bundle or was changed, before anything is imported.
    """
    lines, sound = [], True
    with ExitStack() as stack:
        checked = {bundle: stack.enter_context(opened(bundle)) for bundle in bundles}
        writable(out)
        stack.enter_context(registered(out))
        for bundle, (folder, about) in checked.items():
            done = take_in(folder, about, out)
            lines += [f"{about['name']} ({bundle}): {summary(done)}", *(f"conflict: {line}" for line in done.conflicts)]
            sound = sound and not done.conflicts
    return lines, sound
