"""What is read from a store has the types that its readers rely on, or is one line that names the file."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.formats import render
from bench.leaderboard.read.scores import from_npz, version
from bench.planning.describe import describe
from bench.planning.planner import make_plan
from bench.store import manifest, tables
from bench.store.files import parse_json, read_json, read_json_lines
from bench.store.schemas import Metrics, Spec, Timing, Update
from tests.fuzz.examples import MANIFEST, METHOD, SECTION, SPEC


def put(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_what_fits_is_returned_whole(tmp_path: Path) -> None:
    assert read_json(put(tmp_path / "spec.json", {**SPEC, "more": [1]}), Spec) == {**SPEC, "more": [1]}
    assert read_json(put(tmp_path / "timing.json", {}), Timing) == {}
    assert manifest.read(put(tmp_path / "grid.json", MANIFEST)) == MANIFEST


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("seeds", None, "sections.0.seeds"),
        ("seeds", ["a"], "sections.0.seeds.0"),
        ("checkers", {"quality": {"0": 5}}, "sections.0.checkers.quality.0"),
        ("checkers", {"quality": {"0": "/etc"}}, "must be a path below the store"),
        ("checkers", {"quality": {"0": "../../other"}}, "must be a path below the store"),
        ("checkers", {"quality": {"0": "C:\\other"}}, "must be a path below the store"),
        ("checkers", {"quality": {"0": "a\\..\\..\\other"}}, "must be a path below the store"),
        ("records", {"0": 5}, "sections.0.records.0"),
        ("methods", {}, "sections.0.methods"),
        ("labels", "ab", "sections.0.labels"),
        ("sizes", {"generated": "64"}, "sections.0.sizes.generated"),
        ("sizes", {"real": 100}, "sizes must have an entry generated"),
        ("generated_size", {"used": 64}, "sections.0.generated_size.of"),
        ("label_shares", {"generated": [0.5, 0.5]}, "must have the roles generated and real"),
        ("label_shares", {"generated": [1], "real": [0.5, 0.5]}, "must have a number for each label"),
    ],
)
def test_a_manifest_of_wrong_types_names_the_entry(tmp_path: Path, key: str, value: object, place: str) -> None:
    path = put(tmp_path / "grid.json", {**MANIFEST, "sections": [{**SECTION, key: value}]})
    with pytest.raises(UserError, match=place) as error:
        manifest.read(path)
    assert str(path) in str(error.value)
    assert "remove it and run again" in str(error.value)


@pytest.mark.parametrize("key", SECTION)
def test_a_manifest_without_an_entry_is_reported_on_or_refused(tmp_path: Path, key: str) -> None:
    section = {name: value for name, value in SECTION.items() if name != key}
    path = put(tmp_path / "grid.json", {**MANIFEST, "sections": [section]})
    with contextlib.suppress(UserError):
        render(build(manifest.joined([manifest.read(path)], "bench report"), tmp_path), figures=False)


def test_the_example_of_a_manifest_has_all_entries(tiny_encoder: Path, tmp_path: Path) -> None:
    """Else mistakes in entries that were added since would never be tried."""
    request = make_request(methods="ce,dimp", encoder=str(tiny_encoder), preset="smoke", seeds=1)
    plan = make_plan(replace(request, looks=(3, 5)), tmp_path)
    whole = describe(plan, "bench run")
    (section,) = whole["sections"]
    assert MANIFEST.keys() == whole.keys()
    assert SECTION.keys() == section.keys()
    assert METHOD.keys() == section["methods"][0].keys()


def test_json_that_is_none_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    for content, reason in ((b"[" * 10**5, "too deeply"), (b"\xff", "decode"), (b"[]", "a list, not an object")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=reason):
            read_json(path, Metrics)
    with pytest.raises(ValueError, match="more than"):
        parse_json(" " * (33 * 2**20))


def test_a_cut_history_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"step": 0, "loss": 1}\n{"step":')
    with pytest.raises(UserError, match=r"history\.jsonl, line 2"):
        read_json_lines(path, Update)


def test_a_table_is_checked_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "predictions.parquet"
    pd.DataFrame({"id": [1, 2], "label": ["a", "b"], "logit_0": [0.5, None]}).to_parquet(path)
    assert len(tables.read_table(path, {"id": "whole", "label": "text", "logit_*": "number", "more?": "whole"})) == 2
    for columns, reason in (
        ({"ids": "whole"}, "no column ids; columns: id, label, logit_0"),
        ({"label": "number"}, "column label has values of type"),
        ({"logp_*": "number"}, r"no column logp_\*"),
    ):
        with pytest.raises(UserError, match=reason):
            tables.read_table(path, columns)  # type: ignore[arg-type]
    monkeypatch.setattr(tables, "MAX_VALUES", 5)
    with pytest.raises(UserError, match="it has 6 values in 2 rows; a table may have 5"):
        tables.read_table(path, {"id": "whole"})
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"predictions\.parquet cannot be read"):
        tables.read_table(path, {"id": "whole"})


def test_cached_scores_that_expand_to_gigabytes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".scores.npz"
    np.savez_compressed(path, version=version(), groups=1, ids_0=np.zeros(10**6))
    monkeypatch.setattr("bench.leaderboard.read.kept.MOST_BYTES", 10**6)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *args, **kwargs: pytest.fail("a part of the file is read"))
    assert from_npz(path) == {}
