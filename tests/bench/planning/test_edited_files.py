"""A file that is edited between two grids: which cells belong to one table, one row, one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.config import request as request_module
from bench.config.request import make_request
from bench.jobs import RoleRows
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.planning.rows import hidden_id
from bench.store.manifest import LEFT_OUT, joined
from tasks import Rows, TaskData, load

Edit = Callable[..., None]
Make = Callable[..., dict[str, Any]]
SCORE = "score(how=softmax)"


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """`edit("test", cluster=[...])`: write a role's file with further columns. It has 64 rows of two classes."""

    def write(role: str, **columns: list[Any]) -> None:
        frame = pd.DataFrame({"text": [f"{role} text {i}" for i in range(64)], "label": ["bad", "good"] * 32})
        frame.assign(**columns).to_csv(tmp_path / f"{role}.csv", index=False)

    for role in ("generated", "real", "test"):
        write(role)
    return write


@pytest.fixture
def planned(tiny_encoder: Path, tmp_path: Path, edit: Edit) -> Callable[..., Plan]:
    """`planned([0, 1])`: the plan of a grid on the files as they are."""

    def make(seeds: list[int], methods: str = "ce,dimp", test: bool = True, **options: Any) -> Plan:
        roles = ("generated", "real", "test") if test else ("generated", "real")
        files = {role: str(tmp_path / f"{role}.csv") for role in roles}
        given = {"methods": methods, "encoder": str(tiny_encoder), "preset": "smoke", **files, **options}
        return make_plan(make_request(seed=seeds, **given), tmp_path / "runs")

    return make


@pytest.fixture
def grid(planned: Callable[..., Plan]) -> Make:
    """The manifest of such a plan."""
    return lambda *seeds, **options: describe(planned(list(seeds), **options), "c")


def seeds_of(table: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["label"]: sorted(entry["cells"]) for entry in table["methods"]}


def left_out(table: dict[str, Any]) -> list[str]:
    return [note for note in table["notes"] if note.startswith(LEFT_OUT)]


def test_a_row_has_the_cells_that_read_one_column(edit: Edit, grid: Make) -> None:
    """Its mean was over cells with the old and with the corrected column, and nothing said so."""

    def scored(values: list[int], *seeds: int) -> dict[str, Any]:
        edit("generated", score=values)
        return grid(*seeds, methods=f"ce,{SCORE}")

    up, down = list(range(64)), list(range(64))[::-1]
    old, new = scored(up, 0, 1, 2), scored(down, 3, 4)
    (table,) = joined([old, new], "c")["sections"]
    assert seeds_of(table) == {"ce": ["0", "1", "2", "3", "4"], SCORE: ["3", "4"]}
    assert left_out(table) == [
        f"left out: 3 cells of {SCORE}, which read other values of column score than its last grid"
    ]
    (table,) = joined([old, new, scored(up, 5)], "c")["sections"]
    assert seeds_of(table)[SCORE] == ["0", "1", "2", "5"], "the old values are the last ones again"
    (table,) = joined([old, scored(down, 0, 1, 2)], "c")["sections"]
    assert (seeds_of(table)[SCORE], left_out(table)) == (["0", "1", "2"], [])
    (only,) = joined(
        [{**old, "sections": [{**old["sections"][0], "methods": old["sections"][0]["methods"][1:]}]}, new], "c"
    )["sections"]
    assert only["seeds"] == [3, 4], "a seed without a cell is none of the table's"


def test_the_clusters_of_a_test_are_the_last_ones(edit: Edit, grid: Make) -> None:
    """The report said the corrected ones and computed with the others."""
    grids = []
    for seed, size in enumerate((2, 8, 64)):
        edit("test", **({"cluster": [f"c{row // size}" for row in range(64)]} if size < 64 else {}))
        grids.append(grid(seed))
    (first, second, without) = (dict(one["sections"][0]["records"]) for one in grids)
    assert first["0"]["test"] != second["1"]["test"]
    assert "test" not in without["2"]
    (table,) = joined(grids[:2], "c")["sections"]
    assert {own["test"] for own in table["records"].values()} == {second["1"]["test"]}
    (table,) = joined(grids, "c")["sections"]
    assert not any("test" in own for own in table["records"].values())
    assert [own["generated"] for own in table["records"].values()] == [
        own["generated"] for records in (first, second, without) for own in records.values()
    ]


def test_other_clusters_are_other_folds(edit: Edit, grid: Make) -> None:
    """Folds of both were one cross-validation, in which some rows were tested twice and others never."""
    grids = []
    for seed, size in enumerate((2, 2, 4)):
        edit("real", cluster=[f"c{row // 2 // size}" for row in range(64)])
        grids.append(grid(seed, test=False))
    same, other = joined(grids, "c")["sections"]
    assert (same["seeds"], other["seeds"]) == ([0, 1], [2])
    edit("real")
    assert "cluster" not in grid(0, test=False)["sections"][0]["hashes"]


def test_hidden_columns_of_a_file_are_in_their_id() -> None:
    """A corrected column of true labels was not written: its rows had not changed."""

    def identity(true: list[int], **noise: Any) -> str:
        ids, labels = np.arange(4), np.array([0, 1, 0, 1])
        rows = Rows(ids, list("abcd"), None, labels, {"label_clean": np.array(true)})
        read = rows if not noise else Rows(ids, list("abcd"), None, labels)
        return hidden_id(RoleRows(ids, labels, ids, Path(), None, "texts"), rows, read)

    assert identity([0, 1, 0, 1]) == identity([0, 1, 0, 1]) != identity([0, 1, 1, 1])
    assert identity([0, 1, 0, 1], noise=True) == identity([0, 1, 1, 1], noise=True), "noise follows from rows and seed"


def test_a_request_reads_its_files_once(
    planned: Callable[..., Plan], edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each size of a learning curve read them again: points before and after an edit were on one curve."""
    read: list[object] = []

    def load_and_edit(*arguments: Any, **options: Any) -> TaskData:
        read.append(arguments)
        data = load(*arguments, **options)
        edit("generated", label=["good", "bad"] * 32)
        return data

    monkeypatch.setattr(request_module, "load", load_and_edit)
    sizes = ",".join(f"files[real={size}]" for size in (20, 30, 40))
    assert len({section["hashes"]["generated"] for section in planned([0], tasks=sizes).sections}) == len(read) == 1
