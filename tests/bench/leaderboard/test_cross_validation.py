"""A run on few real rows without a test set: folds in the cells, one table in the report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.commands.reports.calibrate import designs_by_task
from bench.commands.reports.plan import by_row
from bench.errors import UserError
from bench.jobs import CellJob
from bench.leaderboard import write_report
from bench.leaderboard.build import build
from bench.leaderboard.compare.all_pairs import compare_pairs
from bench.leaderboard.compare.families import alone, judge
from bench.leaderboard.formats.to_html import counted
from bench.leaderboard.informative import beats_majority, mean_correct
from bench.leaderboard.read.cells import Cell, Reader
from bench.leaderboard.read.examples import Examples
from bench.leaderboard.read.scores import Scores
from bench.leaderboard.rules import USUAL
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.store.manifest import first_seeds, save
from tests.helpers.single import needed

Run = Callable[..., Plan]
ROWS = 50


@pytest.fixture(scope="module")
def plan(run_once: Run, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two methods on the five folds of fifty real rows."""
    folder = tmp_path_factory.mktemp("rows")

    def write(role: str, count: int) -> str:
        rows = [(f"{role} {('bad', 'good')[i % 2]} {i}", ("bad", "good")[i % 2]) for i in range(count)]
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / f"{role}.csv", index=False)
        return str(folder / f"{role}.csv")

    return run_once(methods="ce,real-only", seeds=5, generated=write("generated", 64), real=write("real", ROWS))


def exact(cell: Cell, test: Examples) -> Cell:
    """The cell as if it were right on every row that it tests."""
    return replace(cell, predictions=np.where(cell.predictions < 0, -1, test.labels))


def test_each_row_is_tested_by_a_model_that_was_not_taught_it(plan: Plan, tmp_path: Path) -> None:
    jobs = [job for identity in plan.cells if isinstance(job := plan.jobs[identity], CellJob)]
    assert len(jobs) == 10
    for job in jobs:
        assert not set(job.test.ids) & set(job.real.ids)
        assert len(job.real.ids) == 40
    assert len({job.test.tokens for job in jobs}) == 1, "the folds share their tokens"

    manifest = describe(plan, "command")
    (section,) = build(manifest, plan.root).sections
    assert section.test is not None
    assert len(section.test.ids) == ROWS
    for one in (row.paired for row in section.rows if row.paired and row.label != "ce"):
        assert (one.match.rows, one.match.tested, one.match.folds) == (ROWS, ROWS, 5)
        assert one.accuracy.examples / one.match.rows == pytest.approx(0.8, abs=0.01)
    right = {}
    for row in section.rows:
        predictions = np.stack([row.cells[seed].predictions for seed in range(5)])
        assert ((predictions >= 0).sum(axis=0) == 1).all()
        right[row.label] = (predictions.max(axis=0) == section.test.labels).mean()
        assert row.accuracy.mean == pytest.approx(right[row.label])
    real = next(row for row in section.rows if row.label == "real-only")
    assert real.paired is not None
    assert real.paired.accuracy is not None
    assert real.paired.accuracy.difference == pytest.approx(right["real-only"] - right["ce"])
    assert real.paired.accuracy.examples == 40
    assert real.paired.macro_f1 is None
    pairs = compare_pairs(section.rows, section.test, USUAL)
    assert pairs is not None
    assert pairs.difference[0, 1] == pytest.approx(right[pairs.labels[0]] - right[pairs.labels[1]])
    shares = {row.label: mean_correct(row, section.test) for row in section.rows}
    assert {label: share.mean() for label, share in shares.items()} == pytest.approx(right)
    first = section.rows[0]
    best = replace(first, cells={seed: exact(cell, section.test) for seed, cell in first.cells.items()})
    assert beats_majority([best], section.test)

    text = write_report(manifest, plan.root, tmp_path / "reports", figures=False).read_text()
    assert "the same 50 rows tested in 5 folds" in text
    assert "bad 50 / 50 %, good 50 / 50 % (generated / real rows)" in text
    assert "Nadeau" in text
    assert json.loads((tmp_path / "reports" / "leaderboard.json").read_text())

    save(manifest, plan.root)
    (design,) = designs_by_task(plan.root).values()
    assert design.examples == 40
    assert by_row(design) == design, "a plan takes off the rows of a fold itself"


def test_a_cell_that_tests_other_rows_is_refused(plan: Plan) -> None:
    (section,) = describe(plan, "command")["sections"]
    cell = next(iter(section["methods"][0]["cells"].values()))
    scores = Scores()
    Reader(plan.root, scores, section["cross_validation"]).read(cell, [])
    folded = section["cross_validation"]
    for changed in ({**folded, "ids": [], "labels": []}, {**folded, "classes": 3}):
        reader = Reader(plan.root, scores, changed)
        for name in section["methods"][0]["cells"].values():
            with pytest.raises(UserError, match="its test rows are not those"):
                reader.read(name, [])


def test_what_would_settle_it_counts_all_real_rows(plan: Plan) -> None:
    """Two seeds test two of five folds: 20 of the 50 rows. The rows that are needed were counted as tested ones."""
    (section,) = build(first_seeds(describe(plan, "command"), 2), plan.root).sections
    paired = next(row.paired for row in section.rows if row.label == "real-only")
    assert paired is not None
    assert paired.match is not None
    assert paired.accuracy is not None
    assert (paired.match.rows, paired.match.tested, paired.accuracy.examples) == (ROWS, 20, 16)
    assert counted(paired.match, paired.accuracy) == "20 of 50 real rows, a fold per seed"
    [judged] = judge([paired.match], ["alone"], alone([paired.match], USUAL), USUAL)
    assert judged.verdict.word == "undecided"
    assert judged.needed == needed(paired.accuracy, USUAL.delta, 1, ROWS, folds=5)
