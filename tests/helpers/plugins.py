"""A plugin with one method, as a file and as an installed package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from methods.plugins import GROUPS

CODE = '''
"""Half of every weight."""

from methods.base import WeightMethod
from methods.registry import register


@register("half")
class Half(WeightMethod):
    """Half."""

    def weights(self, batch):
        return batch.logp.detach() * 0 + 0.5
'''


def installed_package(folder: Path, code: str, groups: Sequence[str] = GROUPS[:1]) -> None:
    """A distribution as pip leaves it, which offers the methods of one module in some entry-point groups."""
    (folder / "own_methods.py").write_text(code)
    info = folder / "own_dist-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-dist\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("".join(f"[{group}]\nown = own_methods\n" for group in groups))
