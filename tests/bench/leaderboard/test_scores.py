"""The score cache: unchanged cells are not read again, and changed ones always are."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.leaderboard.build import build
from bench.leaderboard.formats.to_json import as_json
from bench.leaderboard.read import cell_files, scores
from bench.store import integrity
from bench.store.files import json_object
from bench.store.folders import finish
from tests.bench.leaderboard.fake_store import ENVIRONMENT, FakeStore


@pytest.fixture
def store(tmp_path):
    return FakeStore(tmp_path / "runs").method("ce").method("dimp", skill=2.0)


@pytest.fixture
def read(monkeypatch):
    """The names of the cells whose predictions are read."""
    names, reader = [], scores.read_predictions
    monkeypatch.setattr(scores, "read_predictions", lambda *of: names.append(of[1]) or reader(*of))
    return names


def rows(store):
    return as_json(build(store.manifest(), store.root))["rows"]


def absent(store):
    """The cause for which the one cell without a result has none; the others have theirs."""
    (section,) = build(store.manifest(), store.root).sections
    (cause,) = [cell.cause for row in section.rows for cell in row.absent.values()]
    return cause


def cell(store, method=1, seed="2"):
    return store.section["methods"][method]["cells"][seed]


def kept(store):
    """The file with the scores of the store's task."""
    return store.root / store.section["task"] / scores.FILE


def place(name):
    """A cell's method and id."""
    return name.partition("/")[2]


def test_unchanged_cells_are_not_read_again(store, read):
    first = rows(store)
    assert len(read) == 6
    read.clear()
    assert rows(store) == first
    assert read == []


def test_only_changed_and_new_cells_are_read(store, read):
    rows(store)
    store.method("focal")
    store.cell(cell(store), store.logits("other", 2, 3.0))
    read.clear()
    result = {row["label"]: row["accuracy"]["mean"] for row in rows(store)}
    assert sorted(read) == sorted([cell(store), *store.section["methods"][2]["cells"].values()])
    right = [*(store.correct("dimp", seed, 2.0) for seed in (0, 1)), store.correct("other", 2, 3.0)]
    assert result["dimp"] == pytest.approx(np.mean(right))


def test_exchanged_predictions_are_noticed(store):
    rows(store)
    shutil.copy(store.root / cell(store, 0) / scores.PREDICTIONS, store.root / cell(store) / scores.PREDICTIONS)
    assert re.search(f"cell {cell(store)}: accuracy is .* in metrics.json", absent(store))
    (store.root / cell(store) / scores.PREDICTIONS).unlink()
    assert "predictions.parquet cannot be read" in absent(store)


@pytest.mark.parametrize(("block", "source"), [(integrity.BLOCK, bytes), (1, Path)])
def test_small_files_of_a_new_cell_are_read_once(store, monkeypatch, block, source):
    """The bytes whose digest is checked are those that are scored; a large file is not held in memory."""
    plain = rows(store)
    for folder in (store.root / path for entry in store.section["methods"] for path in entry["cells"].values()):
        metrics = json.loads((folder / "metrics.json").read_text())
        (folder / "metrics.json").unlink()
        finish(folder, metrics)
    sources, reader = [], scores.read_columns
    monkeypatch.setattr(integrity, "BLOCK", block)
    monkeypatch.setattr(scores, "read_columns", lambda *of: sources.append(of[0]) or reader(*of))
    if source is bytes:
        monkeypatch.setattr(cell_files, "read_json", lambda path, schema, content: json_object(content, path, schema))
    assert rows(store) == plain
    assert [isinstance(one, source) for one in sources] == [True] * 6


def test_several_processes_score_the_same(store, read, monkeypatch):
    first = rows(store)
    kept(store).unlink()
    read.clear()
    monkeypatch.setattr(scores, "MANY", 6)
    monkeypatch.setattr(scores, "PART", 4)
    assert rows(store) == first
    assert read == [], "another process reads them"
    cached = scores.from_npz(kept(store))
    assert len(cached) == 6
    assert len({id(score.rows) for score in cached.values()}) == 1


def test_errors_are_reported_when_several_processes_score(store, monkeypatch):
    (store.root / cell(store) / scores.PREDICTIONS).write_bytes(b"cut")
    monkeypatch.setattr(scores, "MANY", 6)
    assert f"cell {cell(store)}: predictions.parquet cannot be read" in absent(store)
    assert len(scores.from_npz(kept(store))) == 5, "the others are cached"


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"accuracy": NaN}'])
def test_a_cell_without_metrics_has_no_result(store, content):
    (store.root / cell(store) / "metrics.json").write_text(content)
    assert "metrics.json" in absent(store)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", None])
def test_a_damaged_cache_is_written_again(store, read, content):
    first = rows(store)
    path = kept(store)
    path.unlink() if content is None else path.write_bytes(content)
    read.clear()
    assert rows(store) == first
    assert len(read) == 6
    read.clear()
    assert rows(store) == first
    assert read == []


def test_other_code_scores_again(store, read, monkeypatch):
    rows(store)
    read.clear()
    monkeypatch.setattr(scores, "version", lambda: "other")
    rows(store)
    assert len(read) == 6


def test_scores_of_cells_that_are_gone_are_dropped(store):
    rows(store)
    shutil.rmtree(store.root / cell(store))
    store.method("focal")
    rows(store)
    names = scores.from_npz(kept(store))
    assert place(cell(store)) not in names
    assert place(cell(store, 2)) in names


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_cannot_be_written_is_reported(store):
    store.root.chmod(0o500)
    assert rows(store)
    store.root.chmod(0o700)


def test_an_unwritable_cache_only_costs_time(store):
    kept(store).mkdir()  # neither to be read nor to be replaced
    assert rows(store) == rows(store)


def test_test_sets_keep_their_own_rows(store, read):
    other = FakeStore(store.root, rows=30, task="news", task_ref="news").method("focal")
    manifest = store.manifest(other)
    first = as_json(build(manifest, store.root))["rows"]
    read.clear()
    assert as_json(build(manifest, store.root))["rows"] == first
    assert read == []
    assert {row["label"]: row["difference"]["examples"] for row in first}["dimp"] == 40


def test_cost_and_environment_are_read_once_and_again_where_they_changed(store, read, monkeypatch):
    first = rows(store)
    monkeypatch.setattr(scores, "read_cost", lambda folder: pytest.fail("it is known"))
    monkeypatch.setattr(scores, "read_environment", lambda folder: pytest.fail("it is known"))
    assert rows(store) == first
    monkeypatch.undo()
    before = (store.root / cell(store) / "env.json").stat().st_size
    store.put(cell(store), "env.json", {**ENVIRONMENT, "torch": "2.12.0"})
    assert (store.root / cell(store) / "env.json").stat().st_size == before
    (_, mixed) = sorted(rows(store), key=lambda row: row["label"])
    assert "torch 2.12.0, 2.13.0" in str(mixed)
    store.put(cell(store), "env.json", ENVIRONMENT)
    store.put(cell(store), "timing.json", {"seconds": 99.9, "passes": {"train_rows": 9000}})
    changed = rows(store)
    kept(store).unlink()
    assert rows(store) == changed != first


def test_a_cell_with_a_damaged_environment_has_no_result(store):
    (store.root / cell(store) / "env.json").write_text("[]")
    assert "env.json is damaged" in absent(store)


def test_a_changed_cell_leaves_the_files_of_other_tasks_as_they_are(store):
    other = FakeStore(store.root, task="news", task_ref="news").method("focal")
    manifest = store.manifest(other)
    build(manifest, store.root)
    files = {one.section["task"]: kept(one) for one in (store, other)}
    before = {task: path.stat().st_ino for task, path in files.items()}
    store.cell(cell(store), store.logits("other", 2, 3.0))
    build(manifest, store.root)
    assert {task for task, path in files.items() if path.stat().st_ino != before[task]} == {store.section["task"]}
