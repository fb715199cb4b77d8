"""Folders as workers leave them, without a training."""

from __future__ import annotations

from pathlib import Path

from bench.store.files import write_json
from bench.store.folders import fail, finish

CELL, TABLE = "twitter/ce/0123456789abcdef0123", ".artefacts/states/aaaaaaaaaaaaaaaaaaaa"


def done(root: Path, name: str = CELL, content: str = "rows") -> Path:
    """A finished folder."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "timing.json", {"seconds": 1.5})
    (folder / "predictions.parquet").write_text(content)
    finish(folder, {"accuracy": 0.5})
    return folder


def failed(root: Path, name: str = CELL) -> Path:
    """A failed folder."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    fail(folder, {"type": "ValueError", "message": "too bad"})
    return folder


def grid(root: Path) -> None:
    """The manifest of a grid without sections, which makes a folder a store."""
    empty = {"schema": 1, "command": "", "references_missing": [], "left_out": {}, "sections": []}
    write_json(root / ".grids" / "empty.json", empty)
