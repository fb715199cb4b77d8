"""`bench list cells`: a line per cell, and what tells cells of one title apart."""

from __future__ import annotations

import json
from pathlib import Path

from bench.commands.stores.list import cells
from bench.store.folders import finish

SPEC = {"task_ref": "tweets", "label": "ce", "method": "ce", "seed": 0, "settings": {"lr": 1e-3, "updates": 48}}


def cell(root: Path, name: str, **changes: object) -> None:
    """A finished cell of these specifications."""
    folder = root / "tweets" / "ce" / name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps({**SPEC, **changes}))
    finish(folder, {"accuracy": 0.5}, name)


def test_cells_of_one_title_have_the_settings_in_which_they_differ(tmp_path: Path) -> None:
    cell(tmp_path, "a1")
    cell(tmp_path, "b2", settings={"lr": 2e-3, "updates": 48})
    cell(tmp_path, "c3", seed=1)
    (tmp_path / "tweets" / "ce" / "d4").mkdir()
    (tmp_path / "tweets" / "ce" / "d4" / "spec.json").write_text("{")
    *found, damaged = (line.partition("ce/")[2] for line in cells(tmp_path, failed=False))
    assert found == [
        "a1  tweets ce seed 0 (lr 0.001)  accuracy 0.5000",
        "b2  tweets ce seed 0 (lr 0.002)  accuracy 0.5000",
        "c3  tweets ce seed 1  accuracy 0.5000",
    ]
    assert damaged.startswith("d4  ")
    assert "spec.json" in damaged
