"""One manifest of all grids of a store."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from bench.leaderboard.build import differing_axes
from bench.store.bundles import opened, pack, take_in, write_contents, zipped
from bench.store.files import write_json
from bench.store.layout import GRIDS
from bench.store.manifest import grids, joined, save
from bench.store.transfer import transfer
from tests.bench.leaderboard.fake_store import FakeStore


def test_a_manifest_of_an_earlier_version_quotes_no_row_in_reports_and_bundles(tmp_path: Path) -> None:
    """Its warnings quoted rows, and its command could have them all."""
    store = FakeStore(tmp_path / "store", rows=60).method("ce")
    manifest = store.manifest()
    quoted = "Warning: 3 of 60 generated rows have the text of a test row, such as 'private; text'; --drop-copies"
    manifest["sections"][0]["notes"] = [quoted, "a note, such as this"]
    manifest["command"] = "bench.run('ce', None, generated={'text': ['private; text']})"
    save(manifest, store.root)
    (grid,) = grids(store.root)
    warning, note = grid["sections"][0]["notes"]
    assert warning == "Warning: 3 of 60 generated rows have the text of a test row"
    assert note == "a note, such as this"
    pack(store.root, tmp_path / "bundle", texts=False)
    (packed,) = (tmp_path / "bundle" / "store" / GRIDS).glob("*.json")
    assert "private" not in packed.read_text("utf-8")
    assert not transfer(tmp_path / "bundle" / "store", store.root).conflicts


def empty(name: str) -> dict[str, Any]:
    """The manifest of a grid without sections."""
    return {"schema": 1, "command": name, "references_missing": [], "left_out": {name: "why"}, "sections": []}


def in_order(root: Path) -> list[str]:
    """The grids of a store, the last run last."""
    return [grid["command"] for grid in grids(root)]


def test_grids_follow_each_other_as_they_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two cells for one row the later grid's counts, and a zip file keeps no times of files."""
    names = ["a", "b", "c", "d"]
    for at, name in enumerate(names):
        monkeypatch.setattr(time, "time_ns", lambda at=at: at)
        save(empty(name), tmp_path / "store")
    for at, path in enumerate(sorted((tmp_path / "store" / GRIDS).glob("*.json"))):
        os.utime(path, ns=(at, at))
    assert in_order(tmp_path / "store") == names
    pack(tmp_path / "store", tmp_path / "bundle" / "", texts=False)
    write_contents(tmp_path / "bundle", {"name": "ours"})
    zipped(tmp_path / "bundle", tmp_path / "bundle.zip")
    with opened(tmp_path / "bundle.zip") as (folder, about):
        done = take_in(folder, about, tmp_path / "imported")
        assert take_in(folder, about, tmp_path / "imported").conflicts == done.conflicts == []
    assert in_order(tmp_path / "imported") == names


def test_a_grid_that_runs_again_is_the_last_and_no_second_one(tmp_path: Path) -> None:
    for name in ("a", "b", "a"):
        save(empty(name), tmp_path)
    assert in_order(tmp_path) == ["b", "a"]


def test_of_manifests_of_earlier_versions_the_times_of_files_count(tmp_path: Path) -> None:
    save(empty("new"), tmp_path)
    for name, year in (("y", 1), ("x", 2), ("z", 99)):
        write_json(tmp_path / GRIDS / f"{name}.json", empty(name))
        at = year * 365 * 24 * 3600
        os.utime(tmp_path / GRIDS / f"{name}.json", (at, at))
    assert in_order(tmp_path) == ["y", "x", "new", "z"]


def grid(methods: list[str], left_out: dict[str, str]) -> dict[str, Any]:
    entries = [{"label": name, "method": name, "cells": {}, "needs": {}} for name in methods]
    section = {"task_ref": "t", "seeds": [], "records": {}, "checkers": {}, "methods": entries}
    return {"sections": [section], "left_out": left_out}


@pytest.mark.parametrize("later_first", [False, True])
@pytest.mark.parametrize(("seeds", "looks"), [(20, None), (10, [3, 5, 10]), (2, [3, 5, 10])])
def test_planned_looks_end_where_further_seeds_were_trained(
    seeds: int, looks: list[int] | None, later_first: bool
) -> None:
    """The report of the store ignored the seeds after the last look, and did not name the looks as unplanned."""
    planned, later = grid(["ce"], {}), grid(["ce"], {})
    for one, count in ((planned, 5), (later, seeds)):
        one["sections"][0] |= {"seeds": list(range(count)), "notes": []}
    planned["sections"][0]["looks"] = [3, 5, 10]
    (section,) = joined([later, planned] if later_first else [planned, later], "command")["sections"]
    assert section.get("looks") == looks
    assert len(section["seeds"]) == max(5, seeds)


def test_methods_that_every_grid_left_out_stay_named() -> None:
    """A report of a store, and of an imported bundle, did not say which methods `all` had left out."""
    grids = [grid(["ce"], {"score": "no column", "group-dro": "no column"}), grid(["score"], {})]
    assert joined(grids, "command")["left_out"] == {"group-dro": "no column"}


def test_an_encoder_that_was_moved_has_one_name(tmp_path: Path) -> None:
    """Headings named its two paths, as if there were two encoders."""
    old, new = (
        FakeStore(tmp_path / preset, preset=preset, encoder=f"/{preset}/minilm", checker_encoder=f"/{preset}/large")
        for preset in ("quick", "full")
    )
    old.section["checker_encoder_hash"] = new.section["checker_encoder_hash"] = "cd34"
    sections = joined([old.manifest(), new.manifest()], "command")["sections"]
    assert [(one["encoder"], one["checker_encoder"]) for one in sections] == [("/full/minilm", "/full/large")] * 2
    assert [differing_axes(one, sections) for one in sections] == [("quick",), ("full",)]
    new.section["encoder_hash"] = "other"
    sections = joined([old.manifest(), new.manifest()], "command")["sections"]
    assert [one["encoder"] for one in sections] == ["/quick/minilm", "/full/minilm"]
