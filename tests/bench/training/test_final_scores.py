"""`--final-scores checkers`: cells that are no checkers do not score generated rows, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.config.request import make_request
from bench.execution.prepare import score_checkers_only
from bench.execution.worker import run_job
from bench.jobs import CellJob
from bench.leaderboard.build import build
from bench.leaderboard.extra_tables.weights import weight_table
from bench.leaderboard.read.weight_table import weight_table as rows_table
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store import hidden_columns, role_texts

METHODS = "ce,imp,focal"
SAME = ("predictions.parquet", "weights.parquet", "history.jsonl", "spec.json")


def run(root: Path, encoder: Path, prepare: Callable[[Plan], object]) -> Plan:
    """A grid of one seed."""
    plan = make_plan(make_request(methods=METHODS, encoder=str(encoder), preset="smoke", seeds=1), root)
    prepare(plan)
    hidden_columns.save(plan.hidden, root)
    role_texts.save(plan.texts, root)
    for job in plan.jobs.values():
        outcome = run_job(job)
        assert outcome.state == "done", outcome.cause
    return plan


@pytest.fixture(scope="module")
def plans(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Plan]:
    """The same grid with all scores, and with those of checkers alone."""
    home = tmp_path_factory.mktemp("scores")
    return run(home / "all", tiny_encoder, lambda plan: None), run(home / "few", tiny_encoder, score_checkers_only)


def by_label(plan: Plan) -> dict[str, CellJob]:
    """The requested cells."""
    return {label: plan.jobs[identity] for identity, label in plan.cells.items()}  # type: ignore[misc]


def test_everything_else_is_the_same(plans: tuple[Plan, Plan]) -> None:
    whole, few = map(by_label, plans)
    assert {label: job.score for label, job in few.items()} == {"ce": True, "imp": False, "focal": False}
    for label, job in whole.items():
        assert few[label].spec.id == job.spec.id
        for name in SAME:
            assert (few[label].folder / name).read_bytes() == (job.folder / name).read_bytes(), (label, name)
        scored, left = (pd.read_parquet(one.folder / "train_scores.parquet") for one in (job, few[label]))
        assert left["id"].tolist() == scored["id"].tolist()
        assert list(left) == (list(scored) if label == "ce" else ["id"])
    assert np.array_equal(*(pd.read_parquet(one["ce"].folder / "train_scores.parquet") for one in (whole, few)))


def test_reports_and_weights_say_what_is_not_known(plans: tuple[Plan, Plan]) -> None:
    for plan, unscored in zip(plans, (0, 2), strict=True):
        manifest = describe(plan, "bench run")
        (section,) = build(manifest, plan.root).sections
        table = weight_table(section)
        assert table is not None
        note = f"not known in {unscored} of 3 cells, which have no final scores of generated rows"
        assert (note in table.after[0]) == bool(unscored)
        focal = next(row for row in table.rows if row.label == "focal")
        assert np.isnan(focal.model) == bool(unscored)
        frame, lines = rows_table(plan.root, manifest["sections"][0], {0: by_label(plan)["focal"].folder})
        assert frame["model"].isna().all() == bool(unscored)
        assert any("these cells have no final scores" in line for line in lines) == bool(unscored)
