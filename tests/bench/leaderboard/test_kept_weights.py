"""Facts on weights are computed once per cell; whatever they depend on computes them again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.leaderboard.build import build
from bench.leaderboard.formats import render
from bench.leaderboard.read import kept, row_weights, weight_facts
from tests.bench.leaderboard.fake_store import FakeStore

CHECKER = ".artefacts/scores/q"
HIDDEN = ".artefacts/record/r/record.parquet"


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    """Two methods with weights on three seeds, and one without; one quality checker scores all rows."""
    store = FakeStore(tmp_path / "runs").method("ce").method("dimp", skill=2.0).method("focal")
    store.weights("dimp", "focal")
    store.section["checkers"] = {"quality": {str(seed): CHECKER for seed in store.seeds}}
    scored(store.root / CHECKER, seed=5)
    return store


def scored(folder: Path, seed: int) -> None:
    """Final scores of 30 rows and two classes."""
    folder.mkdir(parents=True, exist_ok=True)
    scores = np.log(np.random.default_rng(seed).dirichlet([1, 1], size=30))
    frame = pd.DataFrame(scores, columns=["logp_0", "logp_1"])
    frame.assign(id=np.arange(30)).to_parquet(folder / "train_scores.parquet")


@pytest.fixture
def report(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """`report()` renders the tables, compares them with those of a store that keeps nothing, and returns what was read.

    What was read are the cells whose weights were, as `method/seed`.
    """
    original, cells = row_weights.read, {}

    def render_now() -> dict[Path, bytes]:
        weight_facts.read.cache_clear()
        return render(build(store.manifest(), store.root), figures=False)

    def report() -> list[str]:
        entries = store.section["methods"]
        cells.update({path: f"{entry['label']}/{seed}" for entry in entries for seed, path in entry["cells"].items()})
        read: list[str] = []

        def watched(folder: Path, *more: object) -> object:
            read.append(cells[folder.relative_to(store.root).as_posix()])
            return original(folder, *more)  # type: ignore[arg-type]

        monkeypatch.setattr(row_weights, "read", watched)
        found = render_now()
        monkeypatch.setattr(row_weights, "read", original)
        monkeypatch.setattr(weight_facts, "load", lambda root: {})
        monkeypatch.setattr(weight_facts, "save", lambda root, known: None)
        assert render_now() == found
        monkeypatch.undo()
        return sorted(read)

    return report


ALL = [f"{label}/{seed}" for label in ("dimp", "focal") for seed in (0, 1, 2)]


def test_weights_are_read_once(store: FakeStore, report: Callable[[], list[str]]) -> None:
    assert report() == ALL
    assert report() == []
    weights = store.root / store.section["methods"][1]["cells"]["1"] / "weights.parquet"
    frame = pd.read_parquet(weights)
    frame["weight"] = frame["weight"].to_numpy()[::-1]  # a file of the same size
    frame.to_parquet(weights)
    assert report() == ["dimp/1"]
    store.method("imp").weights("imp")
    assert report() == [*ALL, "imp/0", "imp/1", "imp/2"], "the hidden columns were written again"
    assert report() == []


def test_all_that_facts_depend_on_computes_them_again(
    store: FakeStore, report: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    report()
    scored(store.root / CHECKER, seed=6)
    assert report() == ALL
    frame = pd.read_parquet(store.root / HIDDEN)
    frame.assign(label_clean=frame["label"].to_numpy()[::-1]).to_parquet(store.root / HIDDEN)
    assert report() == ALL
    scored(store.root / store.section["methods"][2]["cells"]["0"], seed=7)
    assert report() == ["focal/0"]
    del store.section["checkers"]["quality"]["2"]
    assert report() == ["dimp/2", "focal/2"]
    monkeypatch.setattr(weight_facts, "facts_version", lambda: "other code")
    assert report() == ALL


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", "cut", "changed", "other arrays", "gone"])
def test_a_damaged_file_of_facts_is_made_again(
    store: FakeStore, report: Callable[[], list[str]], damage: bytes | str
) -> None:
    report()
    path = store.root / weight_facts.FILE
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-40])
    elif damage == "changed":
        at = content.index(b"values.npy") + 200
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    elif damage == "other arrays":
        kept.write_arrays(path, weight_facts.facts_version(), {"keys": np.zeros(3), "seals": np.zeros(2)})
    elif isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        path.unlink()
    assert report() == ALL
    assert report() == []


def test_weights_in_memory_are_read_again_when_a_checker_changed(store: FakeStore) -> None:
    """Tables and figures of one process share what they read."""
    first = render(build(store.manifest(), store.root), figures=False)
    scored(store.root / CHECKER, seed=6)
    second = render(build(store.manifest(), store.root), figures=False)
    assert second != first
    weight_facts.read.cache_clear()
    (store.root / weight_facts.FILE).unlink()
    assert render(build(store.manifest(), store.root), figures=False) == second


def test_facts_of_cells_that_are_gone_are_dropped(store: FakeStore, report: Callable[[], list[str]]) -> None:
    report()
    path = store.section["methods"][1]["cells"].pop("0")
    (store.root / path / "metrics.json").unlink()
    scored(store.root / CHECKER, seed=6)
    report()
    assert path not in weight_facts.load(store.root)
    assert len(weight_facts.load(store.root)) == 5


def test_several_processes_compute_the_same(
    store: FakeStore, report: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_facts, "MANY", 4)
    monkeypatch.setattr(weight_facts, "PART", 3)
    assert report() == [], "other processes read"
    assert len(weight_facts.load(store.root)) == 6
