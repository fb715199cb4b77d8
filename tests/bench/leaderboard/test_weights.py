"""What weights know about rows, recomputed by hand, and the command `bench weights`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from bench.jobs import CellJob
from bench.leaderboard.read.row_weights import Absence, RowWeights, agreement, auroc, ess, rank_correlation, read
from bench.planning.plan import Plan
from bench.store import hidden_columns

Run = Callable[..., Plan]


def counted(score: np.ndarray, positive: np.ndarray) -> float:
    """AUROC by comparing every pair."""
    pairs = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    return float(np.mean(pairs))


@pytest.mark.parametrize("values", [2, 5, 1000])
def test_auroc_is_the_share_of_pairs(values: int) -> None:
    rng = np.random.default_rng(values)
    score, positive = rng.integers(values, size=60).astype(float), rng.random(60) < 0.3
    assert auroc(score, positive) == pytest.approx(counted(score, positive))
    assert auroc(-score, positive) == pytest.approx(1 - auroc(score, positive))


def test_rank_correlation_is_spearmans_over_known_rows() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(9, size=50).astype(float), rng.normal(size=50)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    b[::7] = np.nan
    known = ~np.isnan(b)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a[known], b[known]).statistic)
    assert np.isnan(rank_correlation(np.ones(50), a))


def test_ess_counts_rows() -> None:
    assert ess(np.ones(7)) == pytest.approx(1)
    assert ess(np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(0.5)
    assert ess(np.zeros(3)) == 0


@pytest.fixture(scope="module")
def grid(run_once: Callable[..., Plan]) -> Plan:
    """A trained grid with wrong labels and duplicates, with its hidden columns."""
    plan = run_once(
        methods="ce,dimp,quality-only,bootstrap,real-only,supergen-filter",
        tasks="twitter[noise=0.3,duplicates=0.5]",
        settings={"updates": 12},
    )
    hidden_columns.save(plan.hidden, plan.root)
    return plan


def weights_of(plan: Plan, method: str) -> RowWeights | Absence:
    (job,) = [job for job in plan.jobs.values() if isinstance(job, CellJob) and job.spec.method == method]
    section = plan.sections[0]
    quality = plan.root / section["checkers"]["quality"]["0"]
    return read(job.folder, plan.root, section["records"]["0"]["generated"], quality)


def test_rows_are_joined_with_their_hidden_columns_and_scores(grid: Plan) -> None:
    result = weights_of(grid, "quality-only")
    assert isinstance(result, RowWeights)
    (rows,) = grid.hidden.values()
    place = {row: i for i, row in enumerate(rows.ids.tolist())}
    at = [place[row] for row in result.ids.tolist()]
    assert np.array_equal(result.label, rows.labels[at])
    assert result.wrong is not None
    assert result.repeated is not None
    assert np.array_equal(result.wrong, (rows.labels != rows.hidden["label_clean"])[at])
    texts = pd.Series(rows.texts)
    assert np.array_equal(result.repeated, texts.duplicated(keep=False)[at])
    # The weight of this method is P'(y|x): two ways to the same number, for duplicates too.
    assert result.weight == pytest.approx(result.quality, rel=1e-5)
    assert agreement(result, result) == pytest.approx(1)


def test_methods_without_an_effective_weight_give_the_reason(grid: Plan) -> None:
    absent, other = weights_of(grid, "bootstrap"), weights_of(grid, "real-only")
    assert isinstance(absent, Absence)
    assert "no effective weight" in absent.why
    assert other == Absence("trains on no generated row")
    left_out = weights_of(grid, "supergen-filter")  # knows the weight 0 of rows that it leaves out, and no other
    assert isinstance(left_out, Absence)
    assert "no effective weight" in left_out.why
    constant = weights_of(grid, "ce")
    assert isinstance(constant, RowWeights)
    assert constant.constant
    assert np.isnan(agreement(constant, replace(constant, weight=np.arange(len(constant.ids), dtype=float))))


def test_the_command_and_the_section_of_the_report(
    bench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    tasks = ("--tasks", "twitter[noise=0.3,duplicates=0.5]")
    run = bench("run", "--methods", "ce,dimp,bootstrap", *tasks, "--seeds", "1", tiny=True)
    assert run.returncode == 0, run.stdout + run.stderr
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "### Weights" in report
    assert "AUROC wrong labels" in report
    assert "| bootstrap | no effective weight: its loss" in report
    page = (tmp_path / "reports" / "leaderboard.html").read_text()
    assert "<h3>Weights</h3>" in page
    assert bench("report", "--check").returncode == 0

    (cell,) = (tmp_path / "runs" / "twitter" / "dimp").iterdir()
    shown = bench("weights", str(cell), "--top", "2")
    assert shown.returncode == 0, shown.stderr
    assert "AUROC of a low weight for wrong labels" in shown.stdout
    assert "AUROC of a low weight for duplicates" in shown.stdout
    assert shown.stdout.count("    row ") == 4
    texts = bench("weights", cell.name[:8], "--top", "2", "--with-texts").stdout.splitlines()
    assert len(texts) == len(shown.stdout.splitlines()) + 4
    missing = bench("weights", "nothing")
    assert missing.returncode == 2
    assert "no cell 'nothing'" in missing.stderr
