"""Stores of several machines in one report: nothing that differs is mixed silently."""

import json
from pathlib import Path

import pytest

from bench.cli import main
from bench.commands.stores.merge import merge
from bench.errors import UserError
from bench.leaderboard import Rules, write_report
from bench.leaderboard.build import build
from bench.store import merge as store_merge
from bench.store.files import write_json
from bench.store.folders import finish
from bench.store.manifest import joined, stored
from bench.store.merge import merged
from bench.store.transfer import difference
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.in_process import command as bench


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def part(tmp_path, name, seeds, methods=("ce", "dimp"), *, env=None, code="1:abc", **section):
    """A store of some seeds of a grid whose cells have the ids that any store gives them."""
    store = FakeStore(tmp_path / name, seeds=seeds, **section)
    for label in methods:
        store.method(label, skill=2.0 if label == "dimp" else 1.0, env=env)
        entry = store.section["methods"][-1]
        for seed, old in list(entry["cells"].items()):
            entry["cells"][seed] = new = f"{store.section['task']}/{label}/{label}{seed}"
            (store.root / old).rename(store.root / new)
            store.put(new, "spec.json", {"code": code})
    return store


def saved(*stores):
    """Their folders, with the manifests of their grids."""
    for store in stores:
        write_json(store.root / ".grids" / "a.json", store.manifest())
    return [store.root for store in stores]


def test_seeds_of_two_machines_are_one_table(tmp_path):
    a, b = part(tmp_path, "a", (0, 1, 2)), part(tmp_path, "b", (3, 4))
    manifest = merged(saved(a, b), allow_mixed=False)
    (section,) = build(manifest, Path()).sections
    whole = FakeStore(tmp_path / "whole", seeds=(0, 1, 2, 3, 4)).method("ce").method("dimp", skill=2.0)
    (expected,) = build(whole.manifest(), whole.root).sections
    for result, row in zip(section.rows, expected.rows, strict=True):
        assert (result.label, result.seeds, result.accuracy) == (row.label, row.seeds, row.accuracy)
        assert result.paired.accuracy == row.paired.accuracy
        assert result.paired.verdict == row.paired.verdict


def test_other_methods_and_tasks_are_added(tmp_path):
    a, b = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (0, 1), ("focal",))
    c = part(tmp_path, "c", (0, 1), task="news", task_ref="news", protocol="held-out")
    manifest = merged(saved(a, b, c), allow_mixed=False)
    assert [[entry["label"] for entry in one["methods"]] for one in manifest["sections"]] == [
        ["ce", "dimp", "focal"],
        ["ce", "dimp"],
    ]


def test_the_finished_one_of_two_cells_counts(tmp_path):
    a, b = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (0, 1))
    for store, seed in ((a, "0"), (b, "1")):
        (store.root / store.section["methods"][1]["cells"][seed] / "metrics.json").unlink()
    (section,) = build(merged(saved(a, b), allow_mixed=False), Path()).sections
    assert all(row.complete for row in section.rows)


@pytest.mark.parametrize(
    "section",
    [
        {"hashes": {"generated": "9e4e", "test": "0dd"}},
        {"protocol": "held-out"},
        {"preset": "full", "settings": {"updates": 48, "batch_size": 32, "lr": 1e-4}},
    ],
)
def test_other_data_or_training_are_tables_of_their_own(tmp_path, section):
    stores = saved(part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3), **section))
    tables = build(merged(stores, allow_mixed=False), Path()).sections
    assert [[row.seeds for row in table.rows] for table in tables] == [[(0, 1), (0, 1)], [(2, 3), (2, 3)]]


@pytest.mark.parametrize("env", [{"torch": "2.12.0"}, {"code": "other"}, {"device": "cuda"}])
def test_other_environments_share_a_row_without_verdict(tmp_path, env):
    """The code of the trainer, versions and device stand in env.json of each cell."""
    stores = saved(part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3), env=env))
    manifest = merged(stores, allow_mixed=False)
    (section,) = build(manifest, Path()).sections
    assert [len(row.cells) for row in section.rows] == [4, 4]
    (dimp,) = (row.paired for row in section.rows if row.label == "dimp")
    assert dimp.accuracy is None
    assert dimp.withheld.startswith(f"mixed environments: {next(iter(env))} ")
    assert section.pairs is None, "rows that are mixed in themselves are in no comparison"
    (section,) = build(manifest, Path(), Rules(allow_mixed=True)).sections
    assert next(row.paired for row in section.rows if row.label == "dimp").accuracy is not None


def test_other_code_of_a_method_is_refused(tmp_path):
    """Environments do not show it: a method's code is in the ids of its cells alone."""
    stores = saved(part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3), code="2:abc"))
    with pytest.raises(UserError, match=r"twitter, ce: .*a/.* and .*b/.* different code .*1:abc and 2:abc"):
        merged(stores, allow_mixed=False)
    (section,) = build(merged(stores, allow_mixed=True), Path()).sections
    assert [len(row.cells) for row in section.rows] == [4, 4]
    assert "other code of the method trained some cells of ce, dimp" in section.spec["notes"][0]


@pytest.fixture
def two_codes(tmp_path):
    """A store that `bench merge` made, with cells of two codes in one row; returns the part that came second."""
    a, b = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3), ("dimp",), code="2:abc")
    (first,) = saved(a)
    write_json(b.root / ".grids" / "b.json", b.manifest())
    merge([first, b.root], tmp_path / "runs")
    return b


def test_other_code_of_a_method_is_refused_in_one_store_too(two_codes, tmp_path, capsys):
    """The report of a store that `bench merge` made gave a verdict on cells of two codes, without a note."""
    for command in (["advise"], ["compare", "dimp", "ce"], ["report", "--no-figures"]):
        code, _, err = bench(capsys, *command)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "runs/twitter/dimp/dimp0 and runs/twitter/dimp/dimp2 were trained by different code" in err
        assert "method code 1:abc and 2:abc); train one of them again, or report both in one row with --allow-" in err
        assert bench(capsys, *command, "--allow-mixed")[0] == 0
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "other code of the method trained some cells of dimp" in report
    assert bench(capsys, "report", "--check")[0] == 0, "the rules are those of the report"
    code, _, err = bench(capsys, "publish", "--to", "bundle", "--name", "ours")
    assert code == 2
    assert err.endswith("were trained by different code (method code 1:abc and 2:abc); train one of them again\n")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["variance"],
        ["calibrate", "--from", "runs"],
        ["calibrate", "--aa", "--from", "runs"],
        ["weights", "dimp", "--to", "weights.csv"],
    ],
)
def test_commands_without_allow_mixed_refuse_other_code_too(two_codes, tmp_path, capsys, command):
    code, _, err = bench(capsys, *command)
    assert (code, len(err.splitlines())) == (2, 1)
    assert err.endswith("were trained by different code (method code 1:abc and 2:abc); train one of them again\n")
    assert not (tmp_path / "weights.csv").exists()


def test_only_rows_of_several_grids_can_have_several_codes(two_codes, tmp_path, monkeypatch):
    """The cells of one grid were planned by one code: their specifications need not be read."""
    read, code_of = [], store_merge.code_of
    monkeypatch.setattr(store_merge, "code_of", lambda folder: read.append(folder.name) or code_of(folder))
    store = tmp_path / "runs"
    with pytest.raises(UserError, match="different code"):
        store_merge.refuse_mixed_rows(store, stored(store))
    assert sorted(read) == ["dimp0", "dimp1", "dimp2", "dimp3"]


def test_a_damaged_cell_of_other_code_is_a_missing_one(two_codes, tmp_path, capsys):
    for path in two_codes.section["methods"][0]["cells"].values():
        (tmp_path / "runs" / path / "metrics.json").write_text("{")
    assert bench(capsys, "report", "--no-figures")[0] == 0


def test_the_report_of_one_grid_is_checked_beside_other_code(two_codes, tmp_path, capsys):
    path = tmp_path / "runs" / ".grids" / "a.json"
    manifest = {**json.loads(path.read_text()), "command": "one grid"}
    write_json(path, manifest)
    write_report(manifest, tmp_path / "runs", tmp_path / "reports", figures=False)
    assert bench(capsys, "report", "--check") == (0, "reports/ is up to date with runs/\n", "")


def test_two_cells_of_one_seed_are_refused(tmp_path):
    a, b = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (1, 2))
    entry = b.section["methods"][0]
    (b.root / entry["cells"]["1"]).rename(b.root / "twitter/ce/other")
    entry["cells"]["1"] = "twitter/ce/other"
    with pytest.raises(UserError, match=r"twitter, ce: .*ce1 and .*other .*code of the trainer or of a checker"):
        merged(saved(a, b), allow_mixed=False)


def finished_as(store, path, **changed):
    """Seal a cell, with other metrics."""
    folder = store.root / path
    metrics = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").unlink()
    finish(folder, {**metrics, **changed})


def test_names_as_typed_and_final_scores_are_no_other_results(tmp_path):
    a, b = (part(tmp_path, name, (0,)) for name in "ab")
    path = a.section["methods"][0]["cells"]["0"]
    for store, encoder in ((a, "/home/one/minilm"), (b, "minilm")):
        store.put(path, "spec.json", {"encoder": encoder, "code": "1:abc"})
        store.put(path, "train_scores.parquet", {"id": [1], "of": encoder})
        finished_as(store, path)
    assert difference(a.root / path, b.root / path) == ""
    b.put(path, "weights.parquet", {"id": [1]})
    finished_as(b, path)
    assert difference(a.root / path, b.root / path) == "weights.parquet"


def test_a_cell_of_other_results_in_two_stores_is_noted(tmp_path):
    a, b = (part(tmp_path, name, (0, 1)) for name in "ab")
    for store in (a, b):
        for entry in store.section["methods"]:
            for path in entry["cells"].values():
                finished_as(store, path)
    path = b.section["methods"][0]["cells"]["1"]
    b.cell(path, b.logits("other", 1, 1.0))
    b.put(path, "spec.json", {"code": "1:abc"})
    finished_as(b, path)
    (section,) = merged(saved(a, b), allow_mixed=False)["sections"]
    notes = [note for note in section["notes"] if note.startswith("conflict: ")]
    assert notes == [
        "conflict: 1 cell with other results in several stores; those of the later store count: ce seed 1 of b"
    ]
    (b.root / path / "predictions.parquet").write_bytes(b"x")
    (section,) = merged(saved(a, b), allow_mixed=False)["sections"]
    chosen = {seed: Path(cell).relative_to(tmp_path).parts[0] for seed, cell in section["methods"][0]["cells"].items()}
    assert chosen == {"0": "b", "1": "a"}
    assert not [note for note in section["notes"] if note.startswith("conflict: ")]


def test_a_store_with_further_tables_is_merged(tmp_path):
    a, b = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3))
    full = part(tmp_path, "c", (0, 1), preset="full")
    write_json(b.root / ".grids" / "b.json", full.manifest())
    assert len(merged(saved(a, b), allow_mixed=False)["sections"]) == 2


def test_the_command_merges_and_checks(tmp_path, capsys):
    saved(part(tmp_path, "a", (0, 1)), part(tmp_path, "b", (2, 3)))
    for extra in (["--no-figures"], ["--check"]):
        with pytest.raises(SystemExit) as stop:
            main(["report", "--from", "a", "b", *extra])
        assert stop.value.code == 0, capsys.readouterr()
    value = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())
    assert [row["n_seeds"] for row in value["rows"]] == [4, 4]
    with pytest.raises(SystemExit) as stop:
        main(["report", "--from", "a", "nowhere"])
    assert stop.value.code == 2
    assert "; type the command in the folder that holds nowhere, or name another store" in capsys.readouterr().err


def test_the_later_grid_describes_a_method(tmp_path):
    store = FakeStore(tmp_path / "runs", seeds=(0, 1)).method("dimp", hyperparameters={"clip": 10})
    first = store.manifest()
    later = json.loads(json.dumps(first))
    later["sections"][0] |= {"title": "Another title", "seeds": [1]}
    later["sections"][0]["methods"][0] |= {"hyperparameters": {"clip": 20}, "cells": {"1": "twitter/dimp/new"}}
    (section,) = joined([first, later], "")["sections"]
    (method,) = section["methods"]
    assert (section["title"], section["seeds"]) == ("Another title", [0, 1])
    assert method["hyperparameters"] == {"clip": 20}
    assert method["cells"] == {"0": "twitter/dimp/0-0", "1": "twitter/dimp/new"}


@pytest.mark.parametrize("seeds", [(0, 1), (2, 3)])
def test_cells_that_read_other_values_are_left_out(tmp_path, seeds):
    """They shared a row; at the same seeds, they were called cells of different code."""
    stores = part(tmp_path, "a", (0, 1)), part(tmp_path, "b", seeds)
    for store, value in zip(stores, ("old", "new"), strict=True):
        (_, dimp) = store.section["methods"]
        dimp["given"] = {"quality": value, "column:score": "same"}
        for seed, old in dimp["cells"].items() if store is stores[1] else ():
            dimp["cells"][seed] = f"twitter/dimp/{value}{seed}"
            (store.root / old).rename(store.root / dimp["cells"][seed])
    (section,) = merged(saved(*stores), allow_mixed=False)["sections"]
    cells = {entry["label"]: sorted(entry["cells"]) for entry in section["methods"]}
    assert cells == {"ce": sorted({"0", "1", *map(str, seeds)}), "dimp": list(map(str, seeds))}
    said = "left out: 2 cells of dimp, which read other values of the quality checker than its last grid"
    assert (said in section["notes"]) == (seeds == (2, 3)), "where both have a seed, the later cell counts"
