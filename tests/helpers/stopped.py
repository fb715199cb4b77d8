"""Work that Ctrl-C stops in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn


def interrupted(*_: object, **__: object) -> NoReturn:
    """In place of any function."""
    raise KeyboardInterrupt


def half_copied(source: Path, target: Path, **_: object) -> NoReturn:
    """In place of `shutil.copytree`: one file is there."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "half").touch()
    raise KeyboardInterrupt
